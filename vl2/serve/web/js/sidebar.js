/** The history: conversations by day, each to open, rename, save as a file or delete. */

import { confirmLoss, askLine } from "./dialogs.js";
import { find, h, iconButton, textButton } from "./dom.js";
import { period } from "./format.js";
import { icon } from "./icons.js";

const narrow = matchMedia("(max-width: 860px)");

export class Sidebar {
  /** `page` is what the page can do, see app.js. */
  constructor(page) {
    this.page = page;
    this.element = find("#sidebar");
    this.list = h("nav", { class: "conversations", "aria-label": "Conversations" });
    this.importer = h("input", {
      type: "file",
      accept: "application/json,.json",
      class: "off-screen",
      tabIndex: -1,
      "aria-label": "Import conversations",
    });
    this.importer.addEventListener("change", () => {
      page.importFile(this.importer.files[0]);
      this.importer.value = "";
    });
    this.element.append(
      h(
        "div",
        { class: "brand" },
        h("img", { src: "/web/icon.svg", alt: "", width: 26, height: 26 }),
        h("span", {}, "vl2"),
        iconButton("close", "Close the history", () => this.close(), { class: "quiet only-narrow" }),
      ),
      h(
        "div",
        { class: "begin" },
        textButton("add", "New conversation", () => page.begin("chat")),
        textButton("page", "Read a page", () => page.begin("read")),
      ),
      this.list,
      h(
        "div",
        { class: "sidebar-foot" },
        textButton("upload", "Import", () => this.importer.click(), { class: "quiet" }),
        textButton("download", "Export all", () => page.exportAll(), { class: "quiet" }),
        this.importer,
      ),
    );
    this.toggle = find("#open-sidebar");
    this.toggle.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    find("#sidebar-veil").addEventListener("click", () => this.close());
    document.addEventListener(
      "keydown",
      (event) => event.key === "Escape" && narrow.matches && this.isOpen && this.close(),
    );
    narrow.addEventListener("change", () => this.show(!narrow.matches));
    this.show(!narrow.matches);
  }

  get isOpen() {
    return document.body.classList.contains("sidebar-open");
  }

  open() {
    this.show(true);
    if (narrow.matches) find("button", this.element).focus();
  }

  close() {
    this.show(false);
    this.toggle.focus();
  }

  /** On a narrow window the history lies over the page, which then cannot be used. */
  show(isOpen) {
    document.body.classList.toggle("sidebar-open", isOpen);
    this.element.inert = !isOpen;
    find("#main").inert = isOpen && narrow.matches;
    this.toggle.setAttribute("aria-expanded", isOpen);
  }

  closeIfNarrow() {
    if (narrow.matches && this.isOpen) this.show(false);
  }

  /** Show the list, newest first; `current` is the id of what is open. */
  update(conversations, current) {
    const groups = groupBy(conversations, ({ updated }) => period(updated));
    const sections = [...groups].map(([name, group]) => [
      h("h2", {}, name),
      h(
        "ul",
        {},
        group.map((one) => this.row(one, one.id === current)),
      ),
    ]);
    this.list.replaceChildren(...sections.flat());
    if (!conversations.length)
      this.list.append(h("p", { class: "empty" }, "What you ask is kept here, in this browser alone."));
  }

  row(conversation, isCurrent) {
    const { id, title, kind } = conversation;
    const link = h(
      "a",
      { href: `#c=${id}`, "aria-current": isCurrent ? "page" : null },
      kind === "read" && icon("page"),
      h("span", {}, title || "Untitled"),
    );
    const more = iconButton("more", `More about “${title || "Untitled"}”`, () => this.openMenu(more, conversation), {
      class: "quiet more",
      "aria-haspopup": "true",
    });
    return h("li", { class: isCurrent ? "current" : "" }, link, more);
  }

  openMenu(button, conversation) {
    const choose = (act) => () => {
      menu.hidePopover();
      act();
    };
    const menu = h(
      "div",
      { popover: "auto", class: "menu" },
      textButton(
        "edit",
        "Rename",
        choose(() => this.rename(conversation)),
      ),
      textButton(
        "download",
        "Export",
        choose(() => this.page.exportOne(conversation)),
      ),
      textButton(
        "remove",
        "Delete",
        choose(() => this.remove(conversation)),
        { class: "danger" },
      ),
    );
    menu.addEventListener("toggle", (event) => event.newState === "closed" && menu.remove());
    button.after(menu);
    menu.showPopover();
    const { left, bottom } = button.getBoundingClientRect();
    menu.style.left = `${Math.min(left, innerWidth - menu.offsetWidth - 8)}px`;
    menu.style.top = `${Math.min(bottom + 4, innerHeight - menu.offsetHeight - 8)}px`;
    find("button", menu).focus();
  }

  async rename(conversation) {
    const title = await askLine({
      title: "Rename",
      label: "Name of the conversation",
      value: conversation.title,
      action: "Rename",
    });
    if (title) this.page.rename(conversation, title);
  }

  async remove(conversation) {
    const note = `“${conversation.title}” and its pictures are removed from this browser for good.`;
    if (await confirmLoss({ title: "Delete this conversation?", note, action: "Delete" }))
      this.page.remove(conversation);
  }
}

function groupBy(items, nameOf) {
  const groups = new Map();
  for (const item of items) groups.set(nameOf(item), [...(groups.get(nameOf(item)) ?? []), item]);
  return groups;
}
