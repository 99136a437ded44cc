// What reading does not need: keys, a phrase and its boxes that light up together, choices that show at once.

const cards = [...document.querySelectorAll(".cards .card")];
let place = -1;

function step(by) {
  if (!cards.length) return;
  cards[place]?.classList.remove("here");
  place = Math.min(Math.max(place + by, 0), cards.length - 1);
  cards[place].classList.add("here");
  cards[place].scrollIntoView({ block: "start" });
}

const follow = (selector) => document.querySelector(selector)?.click();
const keys = {
  j: () => step(1),
  k: () => step(-1),
  n: () => follow('a[rel="next"]'),
  p: () => follow('a[rel="prev"]'),
  ArrowRight: () => follow('a[rel="next"]'),
  ArrowLeft: () => follow('a[rel="prev"]'),
  o: () => cards[place]?.querySelector("header a")?.click(),
  u: () => [...document.querySelectorAll(".top a")].at(-2)?.click(),
  "/": () => document.querySelector('input[type="search"]')?.focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") document.activeElement?.blur();
  if (event.target.closest("input, select, textarea") || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

function light(event) {
  const card = event.target.closest(".card");
  const own = event.target.closest("[data-box]");
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  if (!card || !own || ["", "-1"].includes(own.dataset.box)) return;
  const numbers = own.dataset.box.split(" ");
  for (const other of card.querySelectorAll("[data-box]")) {
    const isSame = other.dataset.box.split(" ").some((number) => numbers.includes(number));
    other.classList.toggle("lit", isSame);
  }
}

document.addEventListener("pointerover", light);
document.addEventListener("focusin", light);
document.querySelector(".filters")?.addEventListener("change", (event) => {
  if (event.target.matches("select:not([name=field])")) event.target.form.requestSubmit();
});
