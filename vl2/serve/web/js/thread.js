/** The turns of a conversation, one below the other. */

import { AnswerTurn } from "./answer_turn.js";
import { changes } from "./chat.js";
import { path } from "./conversation.js";
import { find } from "./dom.js";
import { QuestionTurn } from "./question_turn.js";

const NEAR = 40; // pixels from the end that still count as at the end
const MARGIN = 16; // pixels left above a question
const TALL = 0.4; // of the window: the pictures of a taller question scroll away

/** Follows an answer until its question reaches the top, where one reads on at one's own pace; then only if asked to. */
export class Thread {
  constructor(page) {
    Object.assign(this, { page, views: new Map(), conversation: null, follows: "question", last: 0 });
    this.scroller = find("#scroller");
    this.list = find("#thread");
    this.toEnd = find("#to-end");
    this.scroller.addEventListener("scroll", () => this.look(), { passive: true });
    this.toEnd.addEventListener("click", () => this.follow("end"));
    new ResizeObserver(() => (this.scroll(), this.look())).observe(this.list);
    changes.addEventListener("turn", ({ detail }) => this.views.get(detail.turn.id)?.update());
    changes.addEventListener("path", ({ detail }) => {
      if (detail.conversation !== this.conversation) return;
      this.show(this.conversation);
      this.follow("question");
    });
  }

  /** Show the path of a conversation; turns that stay keep their elements. */
  show(conversation) {
    const isOther = conversation !== this.conversation;
    if (isOther) this.views.clear();
    this.conversation = conversation;
    const views = path(conversation).map((turn) => [turn.id, this.views.get(turn.id) ?? this.viewOf(turn)]);
    this.views = new Map(views);
    this.list.replaceChildren(...views.map(([, view]) => view.element));
    if (isOther) this.follow("end");
  }

  viewOf(turn) {
    const View = turn.role === "user" ? QuestionTurn : AnswerTurn;
    return new View(this.conversation, turn, this.page);
  }

  /** Follow the "end", or the end until the last "question" is at the top. */
  follow(what) {
    this.follows = what;
    this.scroll();
  }

  scroll() {
    if (!this.follows) return;
    const end = this.scroller.scrollHeight - this.scroller.clientHeight;
    this.scroller.scrollTop = this.follows === "end" ? end : Math.min(end, this.questionTop());
    this.last = this.scroller.scrollTop;
  }

  questionTop() {
    const question = [...this.list.querySelectorAll(".question")].at(-1);
    if (!question) return Infinity;
    const shown =
      question.offsetHeight > TALL * this.scroller.clientHeight ? find(".bubble, .edit", question) : question;
    return shown.getBoundingClientRect().top - this.list.getBoundingClientRect().top - MARGIN;
  }

  /** Notice when a reader scrolls: upwards ends the following, to the end takes it up. */
  look() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    if (scrollTop < this.last - 2) this.follows = null;
    else if (isAtEnd && scrollTop > this.last) this.follows = "end";
    this.last = scrollTop;
    this.toEnd.hidden = isAtEnd;
  }
}
