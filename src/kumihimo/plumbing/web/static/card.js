// The card in a page (ページからカードを使う): asks the browser's extension by window messages, as pages for Web eID do.
// Each function gives a promise; what goes wrong is a CardError whose `code` is Web eID's, `problem` the card program's own.

const ACK_MS = 1_000;
const STATUS_MS = 20_000;
const PERSON_MS = 2 * 60_000;

export class CardError extends Error {
  constructor({ code, message, problem }) {
    super(message);
    this.name = "CardError";
    this.code = code;
    this.problem = problem;
  }
}

function ask(request, milliseconds) {
  return new Promise((resolve, reject) => {
    const settled = (settle, value) => {
      window.removeEventListener("message", listen);
      clearTimeout(noAck);
      clearTimeout(late);
      settle(value);
    };
    const failed = (code, message) => settled(reject, new CardError({ code, message }));
    const listen = ({ source, origin, data }) => {
      if (source !== window || origin !== location.origin) return;
      if (data?.action === `${request.action}-ack`) clearTimeout(noAck);
      if (data?.action === `${request.action}-success`) settled(resolve, data);
      if (data?.action === `${request.action}-failure`) settled(reject, new CardError(data.error ?? {}));
    };
    const noAck = setTimeout(failed, ACK_MS, "ERR_WEBEID_EXTENSION_UNAVAILABLE", "the extension does not answer");
    const late = setTimeout(failed, milliseconds, "ERR_WEBEID_ACTION_TIMEOUT", "no answer in time");
    window.addEventListener("message", listen);
    window.postMessage(request, location.origin);
  });
}

/** `{extension, nativeApp}`: versions of what is installed. */
export const status = () => ask({ action: "web-eid:status" }, STATUS_MS);

/** A token for the site's challenge (44 to 128 characters). Only at a click or key press. */
export const authenticate = (challengeNonce, options = {}) =>
  ask({ action: "web-eid:authenticate", challengeNonce, options }, options.userInteractionTimeout ?? PERSON_MS);

/** `{certificate, supportedSignatureAlgorithms}`: shows the site name, address, birth date and sex. Only at a click. */
export const getSigningCertificate = (options = {}) =>
  ask({ action: "web-eid:get-signing-certificate", options }, options.userInteractionTimeout ?? PERSON_MS);

/** `{signature, signatureAlgorithm}` over a hash in base64, with the key of the certificate just shown. */
export const sign = (certificate, hash, hashFunction, options = {}) =>
  ask(
    { action: "web-eid:sign", certificate, hash, hashFunction, options },
    options.userInteractionTimeout ?? PERSON_MS,
  );
