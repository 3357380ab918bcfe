// Signs an application with the card: its certificate, the hash of what is signed, the signature, and it is sent.
import * as card from "/shared/card.js";
import { complaint, post } from "/static/portal.js";

const button = document.getElementById("sign");
const { lang } = document.documentElement;

function say(where, text) {
  for (const one of ["message", "alarm"]) document.getElementById(one).textContent = one === where ? text : "";
}

button.addEventListener("click", async () => {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const { path, showing, signing } = button.dataset;
  try {
    say("message", showing);
    const { certificate } = await card.getSigningCertificate({ lang });
    const { hash, hashFunction } = await post(`${path}/prepare`, { certificate });
    say("message", signing);
    const { signature } = await card.sign(certificate, hash, hashFunction, { lang });
    const { next } = await post(`${path}/sign`, { signature });
    location.assign(next);
  } catch (error) {
    say("alarm", complaint(error, button.dataset));
  } finally {
    button.removeAttribute("aria-disabled");
  }
});
