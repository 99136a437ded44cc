/** The panel of settings: system prompt, sampling, boxes, appearance, key. Every change holds at once. */

import { forgetKey, hasKey } from "./api.js";
import { chooseTheme, chosenTheme } from "./appearance.js";
import { openDialog, toast } from "./dialogs.js";
import { h, textButton } from "./dom.js";
import { DEFAULTS } from "./settings.js";

/** Open the panel for the settings of a conversation; `onchange` is called after every change. */
export function openSettings(settings, onchange) {
  const fields = [
    prompt(settings, onchange),
    slider(settings, onchange, {
      name: "temperature",
      label: "Temperature",
      max: 2,
      step: 0.05,
      note: "0 takes the likeliest token; higher varies more.",
    }),
    slider(settings, onchange, {
      name: "topP",
      label: "Top p",
      min: 0.05,
      max: 1,
      step: 0.05,
      note: "Samples from the likeliest tokens of this probability.",
    }),
    h(
      "div",
      { class: "two" },
      numeral(settings, onchange, {
        name: "maxTokens",
        label: "Tokens at most",
        min: 1,
        placeholder: "no limit",
      }),
      numeral(settings, onchange, { name: "seed", label: "Seed", min: 0, placeholder: "random" }),
    ),
    grounded(settings, onchange),
    appearance(),
  ];
  const reset = textButton("undo", "Default settings", () => {
    Object.assign(settings, DEFAULTS, { system: settings.system });
    onchange();
    dialog.close();
    openSettings(settings, onchange);
  });
  const forget =
    hasKey() &&
    textButton("remove", "Forget the key", () => (forgetKey(), toast("The key is forgotten."), dialog.close()));
  const content = [h("div", { class: "fields" }, fields), h("div", { class: "buttons" }, forget, reset)];
  const dialog = openDialog({ title: "Settings", name: "settings", content });
  return dialog;
}

function prompt(settings, onchange) {
  const change = (event) => {
    settings.system = event.target.value;
    onchange();
  };
  const field = h("textarea", {
    id: "set-system",
    rows: 3,
    value: settings.system,
    placeholder: "None",
    oninput: change,
  });
  return h(
    "div",
    { class: "field" },
    h("label", { htmlFor: field.id }, "System prompt"),
    field,
    note("Said to the model before this conversation."),
  );
}

function slider(settings, onchange, { name, label, min = 0, max, step, note: text }) {
  const output = h("output", { htmlFor: `set-${name}` }, settings[name].toFixed(2));
  const change = (event) => {
    settings[name] = Number(event.target.value);
    output.textContent = settings[name].toFixed(2);
    onchange();
  };
  const input = h("input", {
    id: `set-${name}`,
    type: "range",
    min,
    max,
    step,
    oninput: change,
    "aria-describedby": `note-${name}`,
  });
  input.value = settings[name]; // after min, max and step, which would bend it
  return h(
    "div",
    { class: "field" },
    h("div", { class: "label-row" }, h("label", { htmlFor: input.id }, label), output),
    input,
    note(text, `note-${name}`),
  );
}

/** A whole number; an empty field is none. */
function numeral(settings, onchange, { name, label, min, placeholder }) {
  const change = (event) => {
    const { value, validity } = event.target;
    if (!validity.valid) return;
    settings[name] = value === "" ? null : Number(value);
    onchange();
  };
  const input = h("input", {
    id: `set-${name}`,
    type: "number",
    min,
    step: 1,
    inputmode: "numeric",
    placeholder,
    value: settings[name] ?? "",
    oninput: change,
  });
  return h("div", { class: "field" }, h("label", { htmlFor: input.id }, label), input);
}

function grounded(settings, onchange) {
  const change = (event) => {
    settings.grounded = event.target.checked;
    onchange();
  };
  const input = h("input", {
    id: "set-grounded",
    type: "checkbox",
    role: "switch",
    checked: settings.grounded,
    onchange: change,
  });
  return h(
    "div",
    { class: "field" },
    h("label", { class: "switch", htmlFor: input.id }, h("span", {}, "Boxes in every answer"), input),
    note("Asks the model to say where it sees what it names."),
  );
}

function appearance() {
  const options = ["system", "light", "dark"].map((theme) => {
    const input = h("input", {
      type: "radio",
      name: "theme",
      value: theme,
      checked: chosenTheme() === theme,
      onchange: () => chooseTheme(theme),
    });
    return h("label", {}, input, h("span", {}, theme[0].toUpperCase() + theme.slice(1)));
  });
  return h("fieldset", { class: "field pills" }, h("legend", {}, "Appearance"), options);
}

const note = (text, id) => h("p", { class: "note", id }, text);
