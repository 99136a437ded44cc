/** Which models the server has and which is asked; says so when no server answers. */

import { listModels } from "./api.js";
import { find, h } from "./dom.js";
import { chooseModel, chosenModel } from "./settings.js";

export class Models {
  constructor() {
    this.names = [];
    this.select = find("#model");
    this.offline = find("#offline");
    this.select.addEventListener("change", () => chooseModel(this.select.value));
    find("button", this.offline).addEventListener("click", () => this.update());
    addEventListener("focus", () => this.isUnreachable && this.update());
  }

  /** Return the name to ask; where no list came, the server takes its own model. */
  async chosen() {
    if (!this.names.length) await this.update();
    return this.select.value || undefined;
  }

  async update() {
    try {
      this.names = await listModels();
      const chosen = chosenModel(this.names);
      this.select.replaceChildren(...this.names.map((name) => h("option", { value: name, textContent: name })));
      this.select.value = chosen;
      this.select.disabled = this.names.length < 2;
      this.offline.hidden = true;
      this.isUnreachable = false;
    } catch (error) {
      find("span", this.offline).textContent = error.message;
      this.offline.hidden = false;
      this.isUnreachable = error.status === 0; // a key that is missing is not asked for again and again
    }
  }
}
