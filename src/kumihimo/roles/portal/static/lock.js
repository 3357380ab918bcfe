// Locks the card's authentication with the card itself, and unlocks it with its signature.
import * as card from "/shared/card.js";
import { complaint, post } from "/static/portal.js";

const { lang } = document.documentElement;
const does = {
  async lock() {
    const { nonce } = await post("/login/challenge");
    const { unverifiedCertificate, algorithm, signature, format, appVersion } = await card.authenticate(nonce, { lang });
    return post("/controls/card/lock", { unverifiedCertificate, algorithm, signature, format, appVersion });
  },
  async unlock() {
    const { certificate } = await card.getSigningCertificate({ lang });
    const { hash, hashFunction } = await post("/unlock/prepare", { certificate });
    const { signature } = await card.sign(certificate, hash, hashFunction, { lang });
    return post("/unlock", { signature });
  },
};

function say(where, text) {
  for (const one of ["message", "alarm"]) document.getElementById(one).textContent = one === where ? text : "";
}

for (const [name, act] of Object.entries(does)) {
  const button = document.getElementById(name);
  button?.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    say("message", button.dataset.working);
    try {
      location.assign((await act()).next);
    } catch (error) {
      say("alarm", complaint(error, button.dataset));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}
