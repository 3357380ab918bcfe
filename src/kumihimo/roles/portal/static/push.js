// Lets this browser be woken through its maker's push service (W3C Push API). The message that wakes it is empty.
import { post } from "/static/portal.js";

const button = document.getElementById("push");
const said = document.getElementById("push-said");

function bytes(base64url) {
  const plain = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0));
}

button.addEventListener("click", async () => {
  try {
    const worker = await navigator.serviceWorker.register("/static/push-worker.js");
    const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(button.dataset.key) });
    const { endpoint, keys } = subscription.toJSON();
    await post("/notices/ways/push", { endpoint, keys });
    said.textContent = button.dataset.done;
  } catch (error) {
    said.textContent = `${button.dataset.failed} (${error.name})`;
  }
});
