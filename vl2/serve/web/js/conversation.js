/**
 * A conversation is a tree of turns: a retry or an edit stands beside what it replaces, so nothing is lost.
 * Plain data; what is shown is the path from the first turn to `head`.
 */

/** Return an id that no other will have. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return an empty conversation; `kind` is "chat" or "read" (pages and their text). */
export function blank(settings, kind = "chat") {
  const now = Date.now();
  const draft = { text: "", verb: "ask", pictures: [] };
  return {
    id: newId(),
    kind,
    title: "",
    created: now,
    updated: now,
    settings: { ...settings },
    turns: {},
    head: null,
    pages: [],
    draft,
  };
}

/** Return whether there is nothing in it worth keeping in the list. */
export const isBlank = (conversation) => conversation.head === null && conversation.pages.length === 0;

/** Add a turn below `parent` (an id, or null for a first turn), show it and return it. */
export function addTurn(conversation, parent, fields) {
  const turn = { id: newId(), parent, created: Date.now(), ...fields };
  conversation.turns[turn.id] = turn;
  conversation.head = turn.id;
  conversation.updated = turn.created;
  return turn;
}

/** Remove a turn that has none below it; its parent is shown. */
export function dropTurn(conversation, turn) {
  delete conversation.turns[turn.id];
  if (conversation.head === turn.id) conversation.head = turn.parent;
}

/** Return the turns from the first one to `id`. */
export function pathTo(conversation, id) {
  const turns = [];
  for (let turn = conversation.turns[id]; turn; turn = conversation.turns[turn.parent]) turns.unshift(turn);
  return turns;
}

/** Return the turns that are shown. */
export const path = (conversation) => pathTo(conversation, conversation.head);

/** Return a turn and those that replace it or that it replaced, oldest first. */
export function versions(conversation, turn) {
  return childrenOf(conversation, turn.parent);
}

/** Show a version: the path goes through `turn` and on to the newest turn below it. */
export function showVersion(conversation, turn) {
  let last = turn;
  for (let below = [turn]; below.length; below = childrenOf(conversation, last.id)) last = below.at(-1);
  conversation.head = last.id;
}

/** Return the ids of the pictures of these turns, in the order in which the model sees them. */
export const picturesIn = (turns) => turns.flatMap((turn) => turn.pictures ?? []);

function childrenOf(conversation, id) {
  const turns = Object.values(conversation.turns).filter((turn) => turn.parent === id);
  return turns.sort((first, second) => first.created - second.created);
}
