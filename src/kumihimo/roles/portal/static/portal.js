// My Portal's script (画面の動き): logging in with the card, and the time that is left.
import * as card from "/shared/card.js";

const token = document.querySelector('meta[name="session-token"]').content;

/** Ask the portal for something that changes something. */
export async function post(path, body) {
  const headers = { "X-Kumihimo-Token": token, "Content-Type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
  const document = await answer.json();
  if (!answer.ok) throw new card.CardError({ code: document.code, message: document.detail });
  return document;
}

/** What went wrong with the card, in the page's words; the code is for whoever is asked for help. */
export function complaint(error, said) {
  const code = String(error.problem ?? error.code ?? error.name);
  if (code === "host.cancelled" || code === "ERR_WEBEID_USER_CANCELLED") return `${said.cancelled} (${code})`;
  const missing = code.startsWith("ERR_WEBEID_EXTENSION") || code === "ERR_WEBEID_NATIVE_UNAVAILABLE";
  return `${missing ? said.missing : said.failed} (${code})`;
}

const button = document.querySelector('[data-does="login"]');
if (button) {
  const say = (where, text) => {
    for (const one of ["message", "alarm"]) document.getElementById(one).textContent = one === where ? text : "";
  };
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    say("message", button.dataset.working);
    try {
      const { nonce } = await post("/login/challenge");
      const { unverifiedCertificate, algorithm, signature, format, appVersion } = await card.authenticate(nonce, {
        lang: document.documentElement.lang,
      });
      const { next } = await post("/login", { unverifiedCertificate, algorithm, signature, format, appVersion });
      location.assign(next);
    } catch (error) {
      say("alarm", complaint(error, button.dataset));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

const countdown = document.getElementById("countdown");
const SOON_MS = 180_000;
if (countdown) {
  const stay = document.getElementById("stay");
  let until = Date.now() + 1000 * Number(countdown.dataset.seconds);
  const show = () => {
    const left = Math.max(0, until - Date.now());
    countdown.textContent = countdown.dataset.left.replace("{minutes}", Math.ceil(left / 60000));
    stay.hidden = left > SOON_MS;
    if (left > 0) return;
    clearInterval(every);
    document.querySelector('form[action="/logout"]').submit();
  };
  const every = setInterval(show, 1000);
  stay.addEventListener("click", async () => {
    until = Date.now() + 1000 * (await post("/stay")).seconds;
    show();
  });
}
