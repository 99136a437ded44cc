/** What was found in a picture, as a file: the picture with its boxes drawn, or the boxes as data. */

import { asJson, download } from "./copy.js";
import { fileName } from "./format.js";
import { addressOf, toBlob } from "./pictures.js";

const SMALLEST_SIDE = 480; // pixels; a smaller picture is drawn larger, so that labels can be read
const THOUSAND = 999; // boxes of the model run from 0 to 999

/** Save a picture with its boxes and labels drawn. */
export async function downloadPng(picture, phrases) {
  download(`${stem(picture)}-boxes.png`, await toBlob(await drawn(picture, phrases)));
}

/** Save what was found as JSON: corners in pixels, in 0..1 and in 0..999. */
export function downloadJson(picture, phrases, text) {
  const objects = phrases.map((phrase) => ({
    label: phrase.ref ?? phrase.label,
    boxes: (phrase.boxes ?? []).map((unit) => corners(unit, picture)),
    points: (phrase.points ?? []).map((unit) => ({ unit, pixels: scaled(unit, picture) })),
  }));
  const { name, width, height } = picture;
  download(`${stem(picture)}-boxes.json`, asJson({ picture: { name, width, height }, text, objects }));
}

const stem = (picture) => fileName(picture.name.replace(/\.\w+$/, ""));

function corners(unit, picture) {
  return { unit, pixels: scaled(unit, picture), thousand: unit.map((share) => Math.round(share * THOUSAND)) };
}

const scaled = (unit, { width, height }) => unit.map((share, at) => Math.trunc(share * (at % 2 ? height : width)));

async function drawn(picture, phrases) {
  const image = new Image();
  image.src = addressOf(picture);
  await image.decode();
  const scale = Math.max(1, Math.ceil(SMALLEST_SIDE / Math.min(picture.width, picture.height)));
  const canvas = Object.assign(document.createElement("canvas"), {
    width: picture.width * scale,
    height: picture.height * scale,
  });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const size = Math.max(12, Math.min(canvas.width, canvas.height) / 32);
  pen.lineWidth = Math.max(2, size / 7);
  pen.font = `600 ${size}px Geist, sans-serif`;
  pen.textBaseline = "middle";
  for (const phrase of phrases) {
    pen.strokeStyle = pen.fillStyle = phrase.colour;
    for (const box of phrase.boxes ?? []) drawBox(pen, box, phrase, size);
    for (const point of phrase.points ?? []) drawPoint(pen, point, phrase, size);
  }
  return canvas;
}

function drawBox(pen, [x1, y1, x2, y2], phrase, size) {
  const { width, height } = pen.canvas;
  pen.strokeRect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
  drawLabel(pen, x1 * width, y1 * height, phrase, size);
}

function drawPoint(pen, [x, y], phrase, size) {
  const { width, height } = pen.canvas;
  pen.beginPath();
  pen.arc(x * width, y * height, size / 2, 0, 2 * Math.PI);
  pen.fill();
  drawLabel(pen, x * width + size, y * height, phrase, size);
}

/** Write above a corner, or as near as the picture allows. */
function drawLabel(pen, x, y, phrase, size) {
  const text = phrase.ref ?? phrase.label;
  if (!text.trim()) return;
  const width = pen.measureText(text).width + size * 0.8;
  const height = size * 1.5;
  const left = Math.max(0, Math.min(x, pen.canvas.width - width));
  const top = Math.max(0, Math.min(y - height, pen.canvas.height - height));
  pen.fillStyle = phrase.colour;
  pen.fillRect(left, top, width, height);
  pen.fillStyle = "white";
  pen.fillText(text, left + size * 0.4, top + height / 2);
}
