// Proofs of access records (記録の証明), checked with WebCrypto alone: a record gives its entry, the entry leads to the root of a
// checkpoint (RFC 6962), and the log and every witness named have signed that checkpoint (C2SP signed-note, tlog-cosignature).
// The keys are the caller's: those in the file show only that it agrees with itself.

const FORMAT = "kumihimo-access-proof/v1";
const HEADER = "c2sp.org/tlog-proof@v1";
const FIELDS = ["entry", "format", "log_key", "record", "salt", "tlog_proof", "witness_keys"];
const ED25519 = 1;
const COSIGNATURE = 4;
const utf8 = new TextEncoder();
const COMMITMENT = utf8.encode("kumihimo/commitment/v1\0");

const refuse = (why) => {
  throw new Error(why);
};
const bytes64 = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const joined = (...parts) => {
  const all = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of parts) {
    all.set(one, at);
    at += one.length;
  }
  return all;
};
const same = (a, b) => a.length === b.length && a.every((one, at) => one === b[at]);
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
const leaf = (entry) => sha256(Uint8Array.of(0), entry);
const node = (left, right) => sha256(Uint8Array.of(1), left, right);

/** Keys by code point, no spaces: as the country writes what it signs. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort((a, b) => (a < b ? -1 : 1));
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

async function verifierKey(text) {
  const [name, id, ...rest] = text.trim().split("+");
  const key = bytes64(rest.join("+"));
  const expected = (await sha256(utf8.encode(`${name}\n`), key)).slice(0, 4);
  const hex = [...expected].map((one) => one.toString(16).padStart(2, "0")).join("");
  if (hex !== id || key.length !== 33) refuse("key");
  const usable = await crypto.subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
  return { name, id: expected, kind: key[0], usable, text: text.trim() };
}

/** Whether a key signed a note: one line "— name base64(id ‖ signature)". */
async function signed(note, key) {
  for (const line of note.lines) {
    const [dash, name, data] = line.split(" ");
    if (dash !== "—" || name !== key.name) continue;
    const raw = bytes64(data);
    if (!same(raw.slice(0, 4), key.id)) continue;
    const body = raw.slice(4);
    if (key.kind === ED25519) return crypto.subtle.verify("Ed25519", key.usable, body, utf8.encode(note.text));
    if (key.kind === COSIGNATURE) {
      const time = new DataView(body.buffer, body.byteOffset, 8).getBigUint64(0);
      const message = utf8.encode(`cosignature/v1\ntime ${time}\n${note.text}`);
      return crypto.subtle.verify("Ed25519", key.usable, body.slice(8), message);
    }
  }
  return false;
}

/** The root an entry leads to (RFC 9162, 2.1.3.2); sizes beyond 2^53 do not come up. */
async function rootFrom(hash, index, size, hashes) {
  let [at, last, found] = [index, size - 1, hash];
  for (const one of hashes) {
    if (last === 0) refuse("path");
    if (at % 2 === 1 || at === last) {
      found = await node(one, found);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      found = await node(found, one);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last !== 0) refuse("path");
  return found;
}

const number = (text) => (/^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : refuse("number"));

/** Checks a file's text; {record, index, size} when it holds. Throws an Error whose message says what does not. */
export async function verifyProof(text, logKey, witnessKeys) {
  const file = JSON.parse(text);
  if (file.format !== FORMAT || !same(Object.keys(file).sort(), FIELDS)) refuse("format");
  const entry = await sha256(COMMITMENT, bytes64(file.salt), utf8.encode(canonical(file.record)));
  if (!same(entry, bytes64(file.entry))) refuse("record");
  const cut = file.tlog_proof.indexOf("\n\n");
  const [header, ...lines] = file.tlog_proof.slice(0, cut).split("\n");
  if (header !== HEADER) refuse("header");
  if (lines[0]?.startsWith("extra ")) lines.shift();
  const index = number(lines.shift()?.replace(/^index /, "") ?? "");
  const hashes = lines.map(bytes64);
  const checkpoint = file.tlog_proof.slice(cut + 2);
  const end = checkpoint.indexOf("\n\n");
  const note = { text: checkpoint.slice(0, end + 1), lines: checkpoint.slice(end + 2).split("\n").filter(Boolean) };
  const [origin, size, root] = note.text.split("\n");
  const log = await verifierKey(logKey);
  if (origin !== log.name || !(await signed(note, log))) refuse("log");
  for (const witness of witnessKeys) if (!(await signed(note, await verifierKey(witness)))) refuse("witness");
  if (index >= number(size)) refuse("index");
  if (!same(await rootFrom(await leaf(entry), index, number(size), hashes), bytes64(root))) refuse("path");
  return { record: file.record, index, size: number(size) };
}
