/** Pictures: from files to records, and from records to what an <img> shows and the wire carries. */

import { newId } from "./conversation.js";
import { listPictures, removePicture, savePicture } from "./history.js";

const SENT_AS_THEY_ARE = new Set(["image/png", "image/jpeg", "image/webp"]); // others become PNG
const LONGEST_SIDE = 4096; // pixels; more than the largest grid of tiles can show
const PHOTO_QUALITY = 0.92;

const known = new Map(); // id -> picture
const addresses = new Map(); // id -> object URL
const contents = new Map(); // id -> promise of a data URL

/** Make the pictures of a conversation known. */
export async function loadPictures(conversation) {
  for (const picture of await listPictures(conversation)) known.set(picture.id, picture);
}

/** Return a picture by its id; null when it is lost. */
export const pictureOf = (id) => known.get(id) ?? null;
export const picturesOf = (ids) => ids.map(pictureOf).filter(Boolean);

/** Read a file of an image, keep it for a conversation and return its picture. Raises Error on what is no image. */
export async function takePicture(conversation, file) {
  const image = await decoded(file);
  const { width, height, blob } = await sendable(image, file);
  return keepPicture({ conversation, name: file.name || "picture", width, height, blob });
}

/** Keep a picture, under a new id unless it has one. */
export async function keepPicture(fields) {
  const picture = { id: newId(), ...fields };
  forget(picture.id);
  known.set(picture.id, picture);
  await savePicture(picture);
  return picture;
}

/** Remove a picture that nothing shows any more. */
export async function discardPicture(id) {
  forget(id);
  known.delete(id);
  await removePicture(id);
}

/** Return an address for an <img>. */
export function addressOf(picture) {
  if (!addresses.has(picture.id)) addresses.set(picture.id, URL.createObjectURL(picture.blob));
  return addresses.get(picture.id);
}

/** Return the content of a picture as a data URL. */
export function contentOf(picture) {
  if (!contents.has(picture.id)) contents.set(picture.id, toDataUrl(picture.blob));
  return contents.get(picture.id);
}

/** Return a Blob as a data URL. */
export function toDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Return the Blob of a base64 data URL. Raises Error on anything else. */
export function fromDataUrl(url) {
  const found = /^data:(image\/[\w.+-]+);base64,([A-Za-z0-9+/=]*)$/.exec(url);
  if (!found) throw new Error("A picture in this file is no image in base64.");
  return new Blob([Uint8Array.from(atob(found[2]), (character) => character.charCodeAt(0))], { type: found[1] });
}

/** Return a decoded <img> of a Blob. Raises Error on what is no image. */
export async function decoded(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
  } catch {
    const name = blob.name ? `“${blob.name}”` : "This file";
    throw new Error(`${name} cannot be shown as a picture. Save it as PNG, JPEG or WebP and add it again.`);
  } finally {
    URL.revokeObjectURL(image.src);
  }
  return image;
}

/** Return a canvas as a Blob. */
export function toBlob(canvas, type = "image/png", quality = PHOTO_QUALITY) {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large to be drawn."))),
      type,
      quality,
    );
  });
}

/** Return the bytes to send: the file itself when the server reads it, else the picture drawn again. */
async function sendable(image, file) {
  const width = image.naturalWidth || 512; // a vector image may have no size
  const height = image.naturalHeight || 512;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  if (scale === 1 && SENT_AS_THEY_ARE.has(file.type))
    return { width, height, blob: new Blob([file], { type: file.type }) };
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const type = file.type === "image/jpeg" ? file.type : "image/png";
  return { width: canvas.width, height: canvas.height, blob: await toBlob(canvas, type) };
}

function forget(id) {
  if (addresses.has(id)) URL.revokeObjectURL(addresses.get(id));
  addresses.delete(id);
  contents.delete(id);
}
