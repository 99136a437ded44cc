/** The page: joins the history, the thread, the composer and the reading view, and does what their buttons say. */

import { onKeyNeeded } from "./api.js";
import { chooseTheme, isDark, onTheme } from "./appearance.js";
import { ask, changes, retry, runningIn, stop } from "./chat.js";
import { Composer } from "./composer.js";
import { blank, isBlank, path, picturesIn, showVersion } from "./conversation.js";
import { askLine, toast } from "./dialogs.js";
import { find, relabel } from "./dom.js";
import { openDrawing } from "./drawing.js";
import { shortened } from "./format.js";
import {
  listConversations,
  loadConversation,
  open as openHistory,
  removeConversation,
  saveConversation,
} from "./history.js";
import { listenForFiles } from "./intake.js";
import { Models } from "./models.js";
import { keepPicture, discardPicture, loadPictures, pictureOf, picturesOf, takePicture } from "./pictures.js";
import { Reader } from "./read.js";
import { lastSettings, rememberSettings } from "./settings.js";
import { openSettings } from "./settings_panel.js";
import { Sidebar } from "./sidebar.js";
import { fillStart } from "./start.js";
import { Thread } from "./thread.js";
import { exportConversations, importConversations } from "./transfer.js";
import { openZoom } from "./zoom.js";

const opened = new Map(); // id -> conversation: an answer goes on in one that is not shown
let current = null;

/** What the parts of the page can do; each gets it as `page`. */
const page = {
  model: () => models.chosen(),

  /** Return all pictures of what is shown, in the order in which the model sees them. */
  allPictures() {
    if (current.kind === "read") return picturesOf(current.pages.map((one) => one.picture));
    return picturesOf([...picturesIn(path(current)), ...current.draft.pictures]);
  },

  /** Take in files: attached to the question, or read as pages. */
  async addFiles(files) {
    const conversation = current;
    const taken = [];
    for (const file of files) {
      await takePicture(conversation.id, file).then(
        (picture) => taken.push(picture),
        (error) => toast(error.message),
      );
    }
    if (!taken.length) return;
    if (conversation.kind === "read") page.readHere(conversation, taken);
    else composer.attach(taken);
    if (conversation.kind === "chat") composer.focus();
  },

  enlarge(views, at) {
    const read = ["page", "Read the text", (picture) => page.readPictures([picture])];
    const draw = ["draw", "Mark and ask", (picture) => page.draw(picture)];
    openZoom(views, at, current.kind === "read" ? [] : [draw, read]);
  },

  /** Draw on a picture; the drawn one takes its place in the question, or joins it. */
  draw(picture) {
    const conversation = current;
    openDrawing(picture, async ({ picture: fields, text, isSent }) => {
      const drawn = await keepPicture({ ...fields, conversation: conversation.id });
      if (conversation.draft.pictures.includes(picture.id)) composer.replace(picture, drawn);
      else composer.attach([drawn]);
      conversation.draft.verb = "ask";
      composer.write(text);
      composer.update();
      if (isSent) composer.submit();
    });
  },

  async submit({ verb, text, pictures, length }) {
    if (verb === "read")
      return page.readPictures(pictures.length ? picturesOf(pictures) : page.allPictures().slice(-1), pictures);
    const conversation = current;
    conversation.title ||= titleOf(verb, text, pictures);
    await ask(conversation, await models.chosen(), conversation.head, { verb, text, pictures, length });
  },

  /** Ask an edited question, beside the one it replaces. */
  async askAgain(turn, text) {
    const { verb, pictures, length } = turn;
    await ask(current, await models.chosen(), turn.parent, { verb, text, pictures, length });
  },

  retry: async (turn) => retry(current, await models.chosen(), turn),

  showVersion(turn) {
    showVersion(current, turn);
    thread.show(current);
    composer.update();
    saveConversation(current);
  },

  /** Read pictures in a conversation of pages of its own; `drafts` are ids that need not be kept here. */
  async readPictures(pictures, drafts = []) {
    const conversation = blank(lastSettings(), "read");
    const copies = [];
    for (const { id, ...fields } of pictures)
      copies.push(await keepPicture({ ...fields, conversation: conversation.id }));
    for (const id of drafts) await discardPicture(id);
    opened.set(conversation.id, conversation);
    await go(conversation);
    page.readHere(conversation, copies);
  },

  async readHere(conversation, pictures) {
    conversation.title ||= shortened(pictures[0].name.replace(/\.\w+$/, ""));
    const read = reader.add(pictures);
    await saveConversation(conversation);
    await refresh();
    await read;
  },

  /** Begin a conversation about a picture of this one. */
  async askAbout({ id, ...fields }) {
    await page.begin("chat");
    composer.attach([await keepPicture({ ...fields, conversation: current.id })]);
    composer.focus();
  },

  /** Go to an empty conversation: the one that is waiting, with what was typed into it, or a new one. */
  async begin(kind) {
    const waiting = (await listConversations()).find((one) => one.kind === kind && isBlank(one));
    await go(waiting ? await conversationOf(waiting.id) : blank(lastSettings(), kind));
  },

  async rename(conversation, title) {
    const renamed = await conversationOf(conversation.id);
    renamed.title = title;
    await saveConversation(renamed);
    await refresh();
  },

  async remove({ id }) {
    const turn = runningIn(await conversationOf(id));
    if (turn) stop(turn);
    opened.delete(id);
    await removeConversation(id);
    if (current.id === id) await page.begin("chat");
    else await refresh();
  },

  exportOne: async ({ id }) => exportConversations([await conversationOf(id)]),

  async exportAll() {
    const all = (await listConversations()).filter((one) => !isBlank(one));
    if (all.length) await exportConversations(all);
    else toast("There is nothing to export yet.");
  },

  async importFile(file) {
    try {
      const imported = await importConversations(file);
      if (imported.length) await go(imported[0]);
      toast(`Imported ${imported.length === 1 ? "one conversation" : `${imported.length} conversations`}.`);
    } catch (error) {
      toast(error.message);
    }
  },
};

const models = new Models();
const thread = new Thread(page);
const composer = new Composer(page);
const reader = new Reader(page);
const sidebar = new Sidebar(page);

async function start() {
  if (!(await openHistory())) toast("This browser keeps no data for the page: conversations are lost when it closes.");
  addEventListener("unhandledrejection", ({ reason }) => toast(reason?.message ?? String(reason)));
  listenToTop();
  listenForFiles(page.addFiles);
  addEventListener("hashchange", openFromAddress);
  changes.addEventListener("path", ({ detail }) => afterChange(detail.conversation));
  changes.addEventListener("turn", ({ detail }) => detail.conversation === current && composer.updateSend());
  onKeyNeeded((note) =>
    askLine({ title: "This server needs a key", label: "Key", note, action: "Continue", type: "password" }),
  );
  models.update();
  await openFromAddress();
  await fillStart(find("#start"), tryExample);
}

function listenToTop() {
  const button = find("#toggle-theme");
  const show = () => relabel(button, isDark() ? "sun" : "moon", isDark() ? "Light appearance" : "Dark appearance");
  button.addEventListener("click", () => chooseTheme(isDark() ? "light" : "dark"));
  onTheme(show);
  show();
  relabel(find("#open-sidebar"), "menu", "History");
  relabel(find("#open-settings"), "settings", "Settings");
  find("#open-settings").addEventListener("click", () => {
    const { settings } = current;
    openSettings(settings, () => {
      rememberSettings(settings);
      saveConversation(current);
    });
  });
}

/** Open what the address names; without a name, or when that is gone, an empty conversation. */
async function openFromAddress() {
  const id = /^#c=([0-9a-f]+)$/.exec(location.hash)?.[1];
  if (id && id === current?.id) return;
  const named = id && (await conversationOf(id));
  if (named) await go(named);
  else await page.begin("chat");
}

async function conversationOf(id) {
  if (!opened.has(id)) {
    const stored = await loadConversation(id);
    if (!stored) return null;
    await loadPictures(id);
    opened.set(id, stored);
  }
  return opened.get(id);
}

/** Show a conversation. */
async function go(conversation) {
  opened.set(conversation.id, conversation);
  await loadPictures(conversation.id);
  current = conversation;
  const isRead = conversation.kind === "read";
  history.replaceState(null, "", `#c=${conversation.id}`);
  find("#chat").hidden = isRead;
  find("#reader").hidden = !isRead;
  if (isRead) reader.bind(conversation);
  else {
    thread.show(conversation);
    composer.bind(conversation);
    composer.focus();
  }
  sidebar.closeIfNarrow();
  await refresh();
}

async function afterChange(conversation) {
  if (conversation === current) composer.update();
  await refresh();
}

/** Show titles and the list as they are now. */
async function refresh() {
  const all = await listConversations();
  sidebar.update(
    all.filter((one) => !isBlank(one)),
    current.id,
  );
  const title = current.title || (current.kind === "read" ? "Read a page" : "New conversation");
  find("#title").textContent = title;
  document.title = current.title ? `${current.title} · vl2` : "vl2";
  find("#chat").classList.toggle("is-empty", current.head === null);
}

async function tryExample({ verb, text, length = "normal" }, file) {
  const picture = await takePicture(current.id, file);
  await page.submit({ verb, text, length, pictures: [picture.id] });
}

function titleOf(verb, text, pictures) {
  if (verb === "describe") return shortened(`Describe ${pictureOf(pictures[0])?.name ?? "a picture"}`);
  return verb === "ask" ? shortened(text) : shortened(`${verb === "find" ? "Find" : "Point at"} ${text}`);
}

start();
