// A codec for AVP messages behind ACP/1, without packages: hello, encode, decode. A template for adapters in any language.
// Dialects 0.2 and 0.4; no zstd, no hybrid payloads. The contract is ../../ADAPTER.md.

const DIALECTS = {
  "0.4": { types: ["HIDDEN_STATE", "KV_CACHE"], modes: ["LATENT", "JSON"], map: 2, kv: 4, hybrid: 0, known: 0x07, checksum: true },
  "0.2": { types: ["HIDDEN_STATE", "KV_CACHE", "EMBEDDING"], modes: ["LATENT", "HYBRID", "JSON"], map: 4, kv: 8, hybrid: 2, known: 0x0f, checksum: false },
};
const DTYPES = ["FLOAT32", "FLOAT16", "BFLOAT16", "INT8"];
const TEXTS = { 1: "session_id", 2: "source_agent_id", 3: "target_agent_id", 4: "model_id", 11: "compression", 13: "avp_map_id" };
const NUMBERS = { 5: "hidden_dim", 6: "num_layers", 7: "payload_type", 8: "dtype", 10: "mode" };
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Refusal extends Error { constructor(code, detail) { super(detail); this.code = code; } }
const refuse = (code, detail) => { throw new Refusal(code, detail); };

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
function crc32(bytes) {
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// --- protobuf, written

const varint = (v) => (v < 128 ? Buffer.from([v]) : Buffer.concat([Buffer.from([(v % 128) | 128]), varint(Math.floor(v / 128))]));
const numberField = (n, value) => (value ? Buffer.concat([varint(n * 8), varint(value)]) : Buffer.alloc(0));
const bytesField = (n, bytes) => Buffer.concat([varint(n * 8 + 2), varint(bytes.length), bytes]);
const textField = (n, text) => (text ? bytesField(n, Buffer.from(text)) : Buffer.alloc(0));

// --- protobuf, read: a cursor that never looks beyond its end

class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  get done() { return this.at >= this.bytes.length; }
  take(count) {
    if (count > this.bytes.length - this.at) refuse("decode", `a field ends beyond the metadata at ${this.at}`);
    return this.bytes.subarray(this.at, (this.at += Number(count)));
  }
  varint() {
    for (let value = 0n, shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.take(1)[0];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    return refuse("decode", `a varint has more than ten bytes at ${this.at}`);
  }
}
function* fields(bytes) {
  for (const reader = new Reader(bytes); !reader.done;) {
    const tag = reader.varint(), n = Number(tag >> 3n), wire = Number(tag & 7n);
    if (n === 0 || tag > 0xffffffffn) refuse("decode", `field number ${n}`);
    if (wire === 0) yield [n, wire, reader.varint()];
    else if (wire === 1 || wire === 5) yield [n, wire, reader.take(wire === 1 ? 8 : 4)];
    else if (wire === 2) yield [n, wire, reader.take(reader.varint())];
    else refuse("decode", `wire type ${wire} in field ${n}`);
  }
}
const text = (bytes) => { try { return utf8.decode(bytes); } catch { return refuse("decode", "text is not UTF-8"); } };
const named = (v) => (Number.isFinite(v) ? v : Number.isNaN(v) ? "nan" : v > 0 ? "inf" : "-inf"); // JSON has no such numbers
const u32 = (value) => Number(BigInt.asUintN(32, value));

function readMetadata(bytes, dialect) {
  const m = { session_id: "", source_agent_id: "", target_agent_id: "", model_id: "", hidden_dim: 0, num_layers: 0, payload_type: 0,
    dtype: 0, tensor_shape: [], mode: 0, compression: "", avp_map_id: "", extra: {}, payload_checksum: null };
  for (const [n, wire, value] of fields(bytes)) { // a known number with another wire type is an unknown field
    if (TEXTS[n] && wire === 2) m[TEXTS[n]] = text(value);
    else if (NUMBERS[n] && wire === 0) m[NUMBERS[n]] = u32(value);
    else if (n === 9 && wire === 0) m.tensor_shape.push(u32(value));
    else if (n === 9 && wire === 2) for (const run = new Reader(value); !run.done;) m.tensor_shape.push(u32(run.varint()));
    else if (n === 14 && wire === 2) {
      const entry = { 1: "", 2: "" };
      for (const [k, w, part] of fields(value)) if (w === 2 && k in entry) entry[k] = text(part);
      Object.defineProperty(m.extra, entry[1], { value: entry[2], enumerable: true, configurable: true, writable: true });
    } else if (n === 12 && wire === 5 && !dialect.checksum) m.confidence_score = named(value.readFloatLE());
    else if (n === 15 && wire === 0 && dialect.checksum) m.payload_checksum = u32(value);
  }
  return m;
}

function decode(message, dialect, args) {
  if (message.length > (args.limits?.max_message ?? Infinity)) refuse("limit_exceeded", `${message.length} bytes`);
  if (message.length < 12) refuse("decode", `${message.length} bytes are no header`);
  if (message[0] !== 0x41 || message[1] !== 0x56) refuse("invalid_magic", message.toString("hex", 0, 2));
  if (message[2] !== 1) refuse("unsupported_version", `${message[2]}`);
  const flags = message[3], payloadLength = message.readUInt32LE(4), metadataLength = message.readUInt32LE(8);
  if (payloadLength > message.length - 12) refuse("decode", `${payloadLength} bytes announced, ${message.length - 12} there`);
  if (metadataLength > payloadLength) refuse("decode", "the metadata is longer than the payload section");
  const m = readMetadata(message.subarray(12, 12 + metadataLength), dialect);
  const payload = message.subarray(12 + metadataLength, 12 + payloadLength);
  if (flags & 1) refuse("decode", "the payload is compressed, and this adapter has no zstd");
  if (payload.length > (args.limits?.max_payload ?? Infinity)) refuse("limit_exceeded", `a payload of ${payload.length} bytes`);
  if (m.payload_checksum !== null && m.payload_checksum !== crc32(payload)) refuse("decode", "the checksum does not match");
  const name = (field, names) => names[m[field]] ?? refuse("decode", `${field} ${m[field]} is unknown`);
  Object.assign(m, { payload_type: name("payload_type", dialect.types), dtype: name("dtype", DTYPES), mode: name("mode", dialect.modes), compression: null });
  const diagnostics = [];
  if (Boolean(flags & dialect.kv) !== (m.payload_type === "KV_CACHE")) diagnostics.push("flag_conflict");
  if (Boolean(flags & dialect.map) !== (m.avp_map_id !== "")) diagnostics.push("map_flag_conflict");
  if (args.strict && diagnostics.length) refuse("decode", diagnostics.join());
  if (flags & ~dialect.known) diagnostics.push("reserved_flags");
  if (message.length > 12 + payloadLength) diagnostics.push("trailing_bytes");
  const header = { version: 1, flags, payload_length: payloadLength, metadata_length: metadataLength };
  return [{ header, metadata: m, consumed: 12 + payloadLength, diagnostics }, { payload }];
}

function encode(payload, dialect, args) {
  const m = args.metadata ?? {};
  const number = (v = 0) => (Number.isInteger(v) && v >= 0 && v <= 0xffffffff ? v : refuse("invalid_argument", `${v} is no uint32`));
  const index = (v, names) => (v === undefined ? 0 : names.indexOf(v) >= 0 ? names.indexOf(v) : refuse("invalid_argument", `${v} is unknown`));
  const string = (v = "") => (typeof v === "string" ? v : refuse("invalid_argument", `${v} is no text`));
  if ((args.compression ?? "none") !== "none") refuse("invalid_argument", "this adapter has no zstd");
  const type = index(m.payload_type, dialect.types), mode = index(m.mode, dialect.modes), map = string(m.avp_map_id);
  const confidence = Buffer.alloc(5, 12 * 8 + 5);
  const score = { nan: NaN, inf: Infinity, "-inf": -Infinity }[m.confidence_score] ?? m.confidence_score ?? 0;
  if (typeof score !== "number") refuse("invalid_argument", "confidence_score is no number");
  confidence.writeFloatLE(score, 1);
  const entries = Object.entries(m.extra ?? {}).map(([k, v]) => [Buffer.from(k), Buffer.from(string(v))]);
  const metadata = Buffer.concat([
    ...[1, 2, 3, 4].map((n) => textField(n, string(m[TEXTS[n]]))),
    numberField(5, number(m.hidden_dim)), numberField(6, number(m.num_layers)), numberField(7, type), numberField(8, index(m.dtype, DTYPES)),
    m.tensor_shape?.length ? bytesField(9, Buffer.concat(m.tensor_shape.map((size) => varint(number(size))))) : Buffer.alloc(0),
    numberField(10, mode), !dialect.checksum && m.confidence_score ? confidence : Buffer.alloc(0), textField(13, map),
    ...entries.sort(([a], [b]) => Buffer.compare(a, b)).map(([k, v]) => bytesField(14, Buffer.concat([bytesField(1, k), bytesField(2, v)]))),
    dialect.checksum && args.checksum !== false ? Buffer.concat([varint(15 * 8), varint(crc32(payload))]) : Buffer.alloc(0),
  ]);
  const hybrid = dialect.modes[mode] === "HYBRID" ? dialect.hybrid : 0;
  const flags = (map ? dialect.map : 0) | (type === 1 ? dialect.kv : 0) | hybrid;
  const header = Buffer.from([0x41, 0x56, 1, flags, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(metadata.length + payload.length, 4);
  header.writeUInt32LE(metadata.length, 8);
  return [{}, { message: Buffer.concat([header, metadata, payload]) }];
}

// --- ACP/1

const HELLO = { acp: 1, name: "minimal-node", version: "1", language: "javascript", specs: Object.keys(DIALECTS),
  ops: ["encode", "decode"], features: { zstd: false, hybrid: false }, inflight: 1, instances: 0 };
const OPS = { hello: () => [HELLO, {}], encode: (p, d, a) => encode(p.payload, d, a), decode: (p, d, a) => decode(p.message, d, a) };

function answer({ id, op, spec = "0.4", args = {}, parts = [] }, blob) {
  let at = 0;
  const given = Object.fromEntries(parts.map((part) => [part.name, blob.subarray(at, (at += part.len))]));
  if (!Object.hasOwn(OPS, op) || !DIALECTS[spec]) return [{ id, unsupported: `no ${op} here` }, Buffer.alloc(0)];
  try {
    const [ok, out] = OPS[op](given, DIALECTS[spec], args);
    return [{ id, ok, parts: Object.entries(out).map(([name, bytes]) => ({ name, len: bytes.length })) }, Buffer.concat(Object.values(out))];
  } catch (error) { // what we refuse is an answer; anything else is our own bug and says so
    const verdict = error instanceof Refusal ? { err: { code: error.code, detail: error.message } } : { fault: `${error.stack}` };
    return [{ id, ...verdict }, Buffer.alloc(0)];
  }
}

let pending = [], size = 0;
for await (const chunk of process.stdin) {
  pending.push(chunk);
  size += chunk.length;
  while (size >= 8) {
    if (pending[0].length < 8) pending = [Buffer.concat(pending)];
    const jsonEnd = 8 + pending[0].readUInt32LE(0), end = jsonEnd + pending[0].readUInt32LE(4);
    if (size < end) break;
    const all = Buffer.concat(pending);
    const [json, blob] = answer(JSON.parse(all.subarray(8, jsonEnd)), all.subarray(jsonEnd, end));
    const body = Buffer.from(JSON.stringify(json)), head = Buffer.alloc(8);
    head.writeUInt32LE(body.length, 0);
    head.writeUInt32LE(blob.length, 4);
    process.stdout.write(Buffer.concat([head, body, blob]));
    pending = [all.subarray(end)];
    size -= end;
  }
}
