/** Conversations as a file, pictures included, and back. A file from elsewhere is checked before anything is kept. */

import { asJson, download } from "./copy.js";
import { newId } from "./conversation.js";
import { fileName } from "./format.js";
import { listPictures, saveConversation } from "./history.js";
import { decoded, fromDataUrl, keepPicture, toDataUrl } from "./pictures.js";
import { DEFAULTS } from "./settings.js";
import { VERBS } from "./verbs.js";

const FORMAT = "vl2-conversations";
const VERSION = 1;
const PICTURE = ["id", "name", "width", "height", "shapes"];

/** Save conversations as a file. */
export async function exportConversations(conversations) {
  const written = await Promise.all(
    conversations.map(async (conversation) => ({ ...conversation, pictures: await picturesFor(conversation.id) })),
  );
  const name = conversations.length === 1 ? fileName(conversations[0].title) : "vl2-conversations";
  download(
    `${name}.json`,
    asJson({ format: FORMAT, version: VERSION, exported: new Date().toISOString(), conversations: written }),
  );
}

async function picturesFor(conversation) {
  const pictures = await listPictures(conversation);
  return Promise.all(
    pictures.map(async (picture) => ({
      ...Object.fromEntries(PICTURE.filter((key) => key in picture).map((key) => [key, picture[key]])),
      data: await toDataUrl(picture.blob),
      ...(picture.original && { original: await toDataUrl(picture.original) }),
    })),
  );
}

/** Read a file and keep what is in it, under new ids. Returns the conversations. Raises Error on what is none. */
export async function importConversations(file) {
  const content = await file
    .text()
    .then(JSON.parse)
    .catch(() => null);
  check(
    content?.format === FORMAT && Array.isArray(content.conversations),
    "This file holds no conversations that vl2 saved.",
  );
  check(content.version === VERSION, `This file is of version ${content.version}; this page reads version ${VERSION}.`);
  const kept = [];
  for (const conversation of content.conversations) kept.push(await keep(readConversation(conversation)));
  return kept;
}

async function keep({ pictures, ...conversation }) {
  const idOf = new Map();
  for (const { id, data, original, ...fields } of pictures) {
    const blob = fromDataUrl(data);
    const { naturalWidth: width, naturalHeight: height } = await decoded(blob);
    const undrawn = original === undefined ? {} : { original: fromDataUrl(original) };
    const picture = await keepPicture({ ...fields, ...undrawn, conversation: conversation.id, width, height, blob });
    idOf.set(id, picture.id);
  }
  const renamed = (ids) => ids.map((id) => idOf.get(id)).filter(Boolean);
  for (const turn of Object.values(conversation.turns)) if (turn.pictures) turn.pictures = renamed(turn.pictures);
  conversation.draft.pictures = renamed(conversation.draft.pictures);
  for (const page of conversation.pages) page.picture = idOf.get(page.picture);
  conversation.pages = conversation.pages.filter((page) => page.picture);
  await saveConversation(conversation);
  return conversation;
}

/** Return a conversation with everything of the kind that the page relies on. */
function readConversation(value) {
  const turns = readTurns(record(value.turns, "turns"));
  const draft = record(value.draft ?? {}, "draft");
  check(value.head === null || value.head in turns, "A conversation in this file shows a turn that is not there.");
  return {
    id: newId(),
    kind: value.kind === "read" ? "read" : "chat",
    title: text(value.title),
    created: time(value.created),
    updated: time(value.updated),
    settings: readSettings(record(value.settings ?? {}, "settings")),
    turns,
    head: value.head,
    pages: list(value.pages ?? []).map((page) => ({
      picture: text(page.picture),
      text: text(page.text ?? ""),
      state: "done",
    })),
    draft: {
      text: text(draft.text ?? ""),
      verb: draft.verb in VERBS ? draft.verb : "ask",
      pictures: list(draft.pictures ?? []).map(text),
    },
    pictures: list(value.pictures ?? []).map(readPicture),
  };
}

/** Every turn stands below one that came before it: there are no circles. */
function readTurns(values) {
  const turns = Object.create(null);
  for (const value of Object.values(values).sort((first, second) => time(first.created) - time(second.created))) {
    const turn = {
      id: text(value.id),
      parent: value.parent,
      role: value.role === "user" ? "user" : "assistant",
      created: value.created,
      text: text(value.text ?? ""),
    };
    check(
      turn.parent === null || turn.parent in turns,
      "A conversation in this file has a turn without the one before it.",
    );
    turns[turn.id] = { ...turn, ...(turn.role === "user" ? readQuestion(value) : readAnswer(value)) };
  }
  return { ...turns };
}

function readQuestion(value) {
  const length = ["short", "long"].includes(value.length) ? value.length : "normal";
  return {
    verb: value.verb in VERBS && value.verb !== "read" ? value.verb : "ask",
    length,
    pictures: list(value.pictures ?? []).map(text),
  };
}

function readAnswer(value) {
  const grounding = list(value.grounding ?? []).filter((entry) => numbers(entry.span, 2));
  return {
    verb: value.verb in VERBS ? value.verb : "ask",
    model: text(value.model ?? ""),
    finish: text(value.finish ?? ""),
    state: ["done", "stopped"].includes(value.state) ? value.state : "stopped",
    grounding: grounding.map((entry) => ({
      ref: text(entry.ref), span: entry.span, image: Number(entry.image), complete: true,
      boxes: list(entry.boxes ?? []).filter((box) => numbers(box, 4)), problems: list(entry.problems ?? []).map(text),
    })), // prettier-ignore
    ...(value.points && {
      points: list(value.points)
        .filter((point) => numbers(point.unit, 2))
        .map(({ label, unit, image }) => ({ label: text(label), unit, image: Number(image) })),
    }),
    ...(value.usage && { usage: record(value.usage, "usage") }),
    ...(value.timing && { timing: record(value.timing, "timing") }),
  };
}

function readSettings(value) {
  const known = Object.entries(DEFAULTS).filter(
    ([name, usual]) => typeof value[name] === typeof usual || (usual === null && Number.isInteger(value[name])),
  );
  return { ...DEFAULTS, ...Object.fromEntries(known.map(([name]) => [name, value[name]])) };
}

function readPicture({ id, name, shapes, data, original }) {
  return {
    id: text(id),
    name: text(name),
    data: text(data),
    ...(shapes && { shapes: list(shapes) }),
    ...(original && { original: text(original) }),
  };
}

function check(holds, problem) {
  if (!holds) throw new Error(problem);
}

function text(value) {
  check(typeof value === "string", "This file is damaged: something in it should be a text.");
  return value;
}

function list(value) {
  check(Array.isArray(value), "This file is damaged: something in it should be a list.");
  return value;
}

function record(value, name) {
  check(value !== null && typeof value === "object", `This file is damaged: ${name} is missing.`);
  return value;
}

const numbers = (value, length) => Array.isArray(value) && value.length === length && value.every(Number.isFinite);
const time = (value) => (Number.isFinite(value) ? value : 0);
