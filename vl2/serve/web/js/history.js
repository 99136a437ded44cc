/** Conversations and pictures in the browser's own database; in memory alone where the browser has none to give. */

const NAME = "vl2";
const VERSION = 1;
const removed = new Set(); // ids: an answer that still comes must not bring its conversation back
const memory = { conversations: new Map(), pictures: new Map() };
let database = null;

/** Open the database. Returns whether what is saved outlives the page. */
export async function open() {
  try {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("conversations", { keyPath: "id" });
      request.result.createObjectStore("pictures", { keyPath: "id" }).createIndex("conversation", "conversation");
    };
    database = await settled(request);
  } catch {
    database = null;
  }
  return database !== null;
}

/** Return all conversations, newest first. */
export async function listConversations() {
  const all = database ? await settled(store("conversations").getAll()) : [...memory.conversations.values()];
  return all.sort((first, second) => second.updated - first.updated);
}

export const loadConversation = (id) => load("conversations", id);
export const savePicture = (picture) => save("pictures", picture);
export const removePicture = (id) => remove("pictures", id);

/** Save a conversation as it is now. */
export async function saveConversation(conversation) {
  if (!removed.has(conversation.id)) await save("conversations", conversation);
}

/** Return the pictures of a conversation. */
export async function listPictures(conversation) {
  if (database) return settled(store("pictures").index("conversation").getAll(conversation));
  return [...memory.pictures.values()].filter((picture) => picture.conversation === conversation);
}

/** Remove a conversation and its pictures. */
export async function removeConversation(id) {
  removed.add(id);
  for (const picture of await listPictures(id)) await remove("pictures", picture.id);
  await remove("conversations", id);
}

async function load(name, id) {
  return database ? settled(store(name).get(id)) : memory[name].get(id);
}

async function save(name, value) {
  if (database) await settled(store(name, "readwrite").put(value));
  else memory[name].set(value.id, value);
}

async function remove(name, id) {
  if (database) await settled(store(name, "readwrite").delete(id));
  else memory[name].delete(id);
}

const store = (name, mode = "readonly") => database.transaction(name, mode).objectStore(name);

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
