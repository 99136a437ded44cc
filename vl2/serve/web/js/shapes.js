/** The shapes that a person draws on a picture, and their colours, which have names to be asked about. */

/** As the drawn pictures of pocket have them, and cyan. */
export const COLOURS = {
  red: "#de2323",
  green: "#23a037",
  blue: "#2350e1",
  yellow: "#f5dc23",
  orange: "#f88c14",
  purple: "#8732b9",
  cyan: "#14bed7",
  pink: "#fa91c3",
  white: "#ffffff",
};

/** What each shape is called, and what one would ask about it. */
export const KINDS = {
  box: { label: "Box", question: (colour) => `What is in the ${colour} box?` },
  ellipse: { label: "Ellipse", question: (colour) => `What is in the ${colour} ellipse?` },
  arrow: { label: "Arrow", question: (colour) => `What does the ${colour} arrow point to?` },
  scribble: { label: "Scribble", question: (colour) => `What is under the ${colour} scribble?` },
};

export const WIDTHS = { thin: 1, medium: 2, thick: 4 };
const UNIT_OF_SIDE = 200; // a thin line is a pixel, or this part of the shorter side

/** Return the width of a line in pixels of a picture. */
export const lineWidth = (width, picture) =>
  WIDTHS[width] * Math.max(1, Math.min(picture.width, picture.height) / UNIT_OF_SIDE);

/** Return whether a shape is large enough to be meant. */
export function isMeant({ points }, picture) {
  const least = Math.max(2, Math.min(picture.width, picture.height) / 60);
  const across = (axis) =>
    Math.max(...points.map((point) => point[axis])) - Math.min(...points.map((point) => point[axis]));
  return Math.max(across(0), across(1)) >= least;
}

/** Draw a shape ({ kind, colour, line, points }, all in pixels of the picture). */
export function paint(pen, { kind, colour, line, points }) {
  pen.strokeStyle = pen.fillStyle = COLOURS[colour];
  pen.lineWidth = line;
  pen.lineCap = pen.lineJoin = "round";
  const [[x1, y1], [x2, y2]] = [points[0], points.at(-1)];
  pen.beginPath();
  if (kind === "box") {
    pen.lineJoin = "miter";
    pen.rect(Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1), Math.abs(y2 - y1));
  } else if (kind === "ellipse") {
    pen.ellipse((x1 + x2) / 2, (y1 + y2) / 2, Math.abs(x2 - x1) / 2, Math.abs(y2 - y1) / 2, 0, 0, 2 * Math.PI);
  } else if (kind === "arrow") {
    paintArrow(pen, [x1, y1], [x2, y2], line);
  } else {
    points.forEach(([x, y]) => pen.lineTo(x, y));
  }
  pen.stroke();
}

/** Draw a line with a filled head at its second end. */
function paintArrow(pen, [x1, y1], [x2, y2], line) {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [across, down] = [(x2 - x1) / length, (y2 - y1) / length];
  const head = Math.min(length, 4 * line + 3);
  const [neckX, neckY] = [x2 - across * head, y2 - down * head];
  const half = head * 0.55;
  pen.lineCap = "butt";
  pen.moveTo(x1, y1);
  pen.lineTo(neckX, neckY);
  pen.stroke();
  pen.beginPath();
  pen.lineJoin = "miter";
  pen.moveTo(x2, y2);
  pen.lineTo(neckX - down * half, neckY + across * half);
  pen.lineTo(neckX + down * half, neckY - across * half);
  pen.closePath();
  pen.fill();
  pen.lineWidth = 0.01; // the head is filled already
}
