// Between the pages and the card program (カード連携). One command, one start of the program, which ends after its answer.
// The origin it is told is the browser's word for the sending frame, never the page's.
"use strict";

const PROGRAM = "jp.kumihimo.card";
const GREETING_MS = 15_000;
const ANSWER_MS = 2 * 60_000; // how long a person may take, as in Web eID
const ANSWER_MOST_MS = 10 * 60_000;
const TAB_ONLY = 0; // the id of a tab's own frame
const RESULTS = {
  authenticate: ["unverifiedCertificate", "algorithm", "signature", "format", "appVersion"],
  "get-signing-certificate": ["certificate", "supportedSignatureAlgorithms"],
  sign: ["signature", "signatureAlgorithm"],
};
let busy = false;

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** A running card program: `next` waits for its next message. */
class Program {
  #port;
  #messages = [];
  #waiting = null;
  #ended = null;

  constructor() {
    this.#port = chrome.runtime.connectNative(PROGRAM);
    this.#port.onMessage.addListener((message) => this.#arrived(message));
    this.#port.onDisconnect.addListener(() => {
      this.#ended = new Refusal(
        "ERR_WEBEID_NATIVE_UNAVAILABLE",
        chrome.runtime.lastError?.message ?? "the card program ended without an answer",
      );
      this.#waiting?.reject(this.#ended);
    });
  }

  #arrived(message) {
    if (this.#waiting) this.#waiting.resolve(message);
    else this.#messages.push(message);
  }

  next(milliseconds, late) {
    if (this.#messages.length) return Promise.resolve(this.#messages.shift());
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(late), milliseconds);
      const settled = (settle) => (value) => {
        clearTimeout(timer);
        this.#waiting = null;
        settle(value);
      };
      this.#waiting = { resolve: settled(resolve), reject: settled(reject) };
    });
  }

  say(message) {
    this.#port.postMessage(message);
  }

  end() {
    this.#ended ??= new Refusal("ERR_WEBEID_USER_CANCELLED", "the page has gone");
    this.#waiting?.reject(this.#ended);
    this.#port.disconnect();
  }
}

async function withProgram(gone, use) {
  const program = new Program();
  gone.addEventListener("abort", () => program.end());
  try {
    const late = new Refusal("ERR_WEBEID_NATIVE_UNAVAILABLE", "the card program does not answer");
    const greeting = await program.next(GREETING_MS, late);
    if (typeof greeting?.version !== "string") throw late;
    return await use(program, greeting.version);
  } finally {
    program.end();
  }
}

async function carryOut(command, request, origin, gone) {
  if (busy) throw new Refusal("ERR_WEBEID_ACTION_PENDING", "another page is using the card");
  busy = true;
  try {
    return await withProgram(gone, async (program) => {
      const { action, timeout, ...given } = request;
      program.say({ command, arguments: { ...given, origin } });
      const late = new Refusal("ERR_WEBEID_USER_TIMEOUT", "nobody went on in the window of the card program in time");
      const answer = await program.next(Math.min(timeout > 0 ? timeout : ANSWER_MS, ANSWER_MOST_MS), late);
      if (answer.error) throw Object.assign(new Refusal(answer.error.code, answer.error.message), answer.error);
      if (RESULTS[command].some((name) => answer[name] === undefined)) {
        throw new Refusal("ERR_WEBEID_UNKNOWN_ERROR", "the card program answered something else");
      }
      return answer;
    });
  } finally {
    busy = false;
  }
}

async function answered(request, sender, gone) {
  if (request.action === "web-eid:status") {
    const nativeApp = await withProgram(gone, async (_, version) => version);
    return { extension: chrome.runtime.getManifest().version, nativeApp };
  }
  const origin = sender.origin ?? new URL(sender.url).origin;
  return carryOut(request.action.slice("web-eid:".length), request, origin, gone);
}

chrome.runtime.onConnect.addListener((line) => {
  if (line.sender.id !== chrome.runtime.id || line.sender.frameId !== TAB_ONLY) return line.disconnect();
  const page = new AbortController();
  line.onDisconnect.addListener(() => page.abort());
  line.onMessage.addListener(async (request) => {
    let result;
    try {
      result = { ...(await answered(request, line.sender, page.signal)), action: `${request.action}-success` };
    } catch ({ code = "ERR_WEBEID_UNKNOWN_ERROR", message, problem, name = "Error" }) {
      result = { action: `${request.action}-failure`, error: { code, message, problem, name } };
    }
    if (!page.signal.aborted) line.postMessage(result);
  });
});
