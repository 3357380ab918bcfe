// Access records (アクセス記録の動き): proofs are checked here, in the browser; nothing is sent for it.
import { verifyProof } from "/static/proof.js";

const keys = document.getElementById("keys");
const told = document.getElementById("proven");

async function check(texts, words) {
  told.className = "message";
  told.textContent = "";
  try {
    const trusted = keys.dataset.witnesses.split("\n").filter(Boolean);
    const found = [];
    for (const text of texts) found.push(await verifyProof(text, keys.dataset.log, trusted));
    const last = found.at(-1);
    told.textContent = words.good.replace("{size}", last.size).replace("{index}", found[0].index);
  } catch (error) {
    told.className = "message alarm";
    told.textContent = words.bad.replace("{why}", error.message);
  }
}

const button = document.querySelector("[data-proof]");
button?.addEventListener("click", async () => {
  const answers = await Promise.all(button.dataset.proof.split(" ").map((path) => fetch(path)));
  await check(await Promise.all(answers.map((one) => one.text())), button.dataset);
});

const file = document.getElementById("file");
file?.addEventListener("change", async () => {
  if (file.files.length) await check([await file.files[0].text()], file.dataset);
});
