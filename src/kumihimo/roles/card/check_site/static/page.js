// The card check page's script (動作確認の動き): buttons ask the card through the browser, and the site to believe it.
import * as card from "/shared/card.js";

const said = JSON.parse(document.getElementById("said").textContent);
const lang = document.documentElement.lang;
const token = document.querySelector('meta[name="session-token"]').content;
const message = document.getElementById("message");
const alarm = document.getElementById("alarm");
const GROUPS = 8;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

function tell(text) {
  alarm.textContent = "";
  message.textContent = text;
}

function complain(error) {
  message.textContent = "";
  const code = [error.problem, error.code].find((one) => one in said);
  const offline = error instanceof TypeError ? said.offline : null;
  alarm.textContent = code ? said[code] : offline ?? fill(said.other, { code: error.problem ?? error.code ?? error.name });
}

async function post(path, body) {
  const headers = { "X-Kumihimo-Token": token, "Content-Type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
  const document = await answer.json();
  if (!answer.ok) throw new card.CardError({ code: document.code, message: document.detail });
  return document;
}

/** The beginning of a hash as the card program's window shows it. */
function digits(hash) {
  const bytes = [...atob(hash)].map((one) => one.charCodeAt(0).toString(16).padStart(2, "0"));
  return Array.from({ length: GROUPS }, (_, at) => bytes[2 * at] + bytes[2 * at + 1]).join(" ").toUpperCase();
}

const does = {
  async login() {
    tell(said.working);
    const { nonce } = await post("/login/challenge");
    const { unverifiedCertificate, algorithm, signature, format, appVersion } = await card.authenticate(nonce, { lang });
    return post("/login", { unverifiedCertificate, algorithm, signature, format, appVersion });
  },
  async sign() {
    tell(said.showing);
    const { certificate } = await card.getSigningCertificate({ lang });
    const text = document.getElementById("text").value;
    const { hash, hashFunction } = await post("/sign/prepare", { text, certificate });
    tell(fill(said.signing, { digits: digits(hash) }));
    const { signature } = await card.sign(certificate, hash, hashFunction, { lang });
    return post("/sign/finish", { signature });
  },
  end: () => post("/logout"),
};

for (const button of document.querySelectorAll("[data-does]")) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      location.assign((await does[button.dataset.does]()).next);
    } catch (error) {
      complain(error);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

const software = document.getElementById("software");
if (software) {
  software.textContent = said.looking;
  try {
    software.textContent = fill(said.found, await card.status());
    software.className = "good";
  } catch (error) {
    software.textContent = said[error.code] ?? fill(said.other, { code: error.code });
  }
}
