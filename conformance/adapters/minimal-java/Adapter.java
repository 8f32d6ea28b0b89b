import java.io.*;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** A codec for AVP 0.4 messages behind ACP/1, without libraries or zstd: a template. The contract is ../../ADAPTER.md. */
public final class Adapter {
  static final List<String> TYPES = List.of("HIDDEN_STATE", "KV_CACHE"), MODES = List.of("LATENT", "JSON");
  static final List<String> DTYPES = List.of("FLOAT32", "FLOAT16", "BFLOAT16", "INT8");
  static final Map<Integer, String> TEXTS = Map.of(1, "session_id", 2, "source_agent_id", 3, "target_agent_id", 4, "model_id", 13, "avp_map_id");
  static final Map<Integer, String> NUMBERS = Map.of(5, "hidden_dim", 6, "num_layers", 7, "payload_type", 8, "dtype", 10, "mode");

  @SuppressWarnings("serial")
  static final class Refusal extends RuntimeException {
    final String code;
    Refusal(String code, String detail) { super(detail); this.code = code; }
  }

  // --- protobuf: a reader that never looks beyond its end, and a writer

  static final class Reader {
    final ByteBuffer in;
    int field, wire;
    Reader(byte[] bytes) { in = ByteBuffer.wrap(bytes); }
    byte[] take(long count) {
      if (count < 0 || count > in.remaining()) throw new Refusal("decode", "a field ends beyond the metadata at " + in.position());
      byte[] out = new byte[(int) count];
      in.get(out);
      return out;
    }
    long varint() {
      long value = 0;
      for (int shift = 0; shift < 70; shift += 7) {
        byte b = take(1)[0];
        value |= (b & 127L) << shift; // what lies beyond 64 bits is dropped
        if (b >= 0) return value;
      }
      throw new Refusal("decode", "a varint has more than ten bytes at " + in.position());
    }
    /** The next field: a Long for a varint, its bytes for the rest; null at the end. */
    Object next() {
      if (!in.hasRemaining()) return null;
      long tag = varint();
      field = (int) (tag >>> 3);
      wire = (int) (tag & 7);
      if (tag >>> 32 != 0 || field == 0) throw new Refusal("decode", "field number " + (tag >>> 3));
      return switch (wire) {
        case 0 -> varint();
        case 1, 5 -> take(wire == 1 ? 8 : 4);
        case 2 -> take(varint());
        default -> throw new Refusal("decode", "wire type " + wire + " in field " + field);
      };
    }
  }

  static final class Writer extends ByteArrayOutputStream {
    Writer varint(long v) { for (; v > 127; v >>>= 7) write((int) v | 128); write((int) v); return this; }
    void number(int field, long v) { if (v != 0) varint(field * 8).varint(v); }
    void bytes(int field, byte[] b) { varint(field * 8 + 2).varint(b.length).writeBytes(b); }
    void text(int field, String s) { if (!s.isEmpty()) bytes(field, utf8(s)); }
  }

  static byte[] utf8(String s) { return s.getBytes(StandardCharsets.UTF_8); }
  static String text(Object bytes) {
    try { return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap((byte[]) bytes)).toString(); }
    catch (CharacterCodingException e) { throw new Refusal("decode", "text is not UTF-8"); }
  }
  static long crc(byte[] bytes) { var crc = new java.util.zip.CRC32(); crc.update(bytes); return crc.getValue(); }
  static long u32(Object v) { return (Long) v & 0xffffffffL; }

  // --- the codec

  static Map<String, Object> readMetadata(byte[] bytes) {
    var m = new LinkedHashMap<String, Object>();
    TEXTS.values().forEach(name -> m.put(name, ""));
    NUMBERS.values().forEach(name -> m.put(name, 0L));
    var shape = new ArrayList<Object>();
    var extra = new LinkedHashMap<String, Object>();
    m.putAll(Map.of("tensor_shape", shape, "extra", extra));
    var in = new Reader(bytes);
    for (Object v; (v = in.next()) != null; ) { // a known number with another wire type is an unknown field
      if (in.wire == 0 && NUMBERS.containsKey(in.field)) m.put(NUMBERS.get(in.field), u32(v));
      else if (in.wire == 0 && in.field == 9) shape.add(u32(v));
      else if (in.wire == 0 && in.field == 15) m.put("payload_checksum", u32(v));
      else if (in.wire != 2) continue;
      else if (TEXTS.containsKey(in.field)) m.put(TEXTS.get(in.field), text(v));
      else if (in.field == 11) text(v);
      else if (in.field == 9) for (var run = new Reader((byte[]) v); run.in.hasRemaining(); ) shape.add(u32(run.varint()));
      else if (in.field == 14) {
        String[] pair = {"", ""};
        var entry = new Reader((byte[]) v);
        for (Object part; (part = entry.next()) != null; ) if (entry.wire == 2 && entry.field < 3) pair[entry.field - 1] = text(part);
        extra.put(pair[0], pair[1]);
      }
    }
    return m;
  }

  static Map<String, Object> decode(byte[] message, Map<String, byte[]> out) {
    if (message.length < 12) throw new Refusal("decode", message.length + " bytes are no header");
    if (message[0] != 0x41 || message[1] != 0x56) throw new Refusal("invalid_magic", "not AV");
    if (message[2] != 1) throw new Refusal("unsupported_version", "version " + (message[2] & 255));
    var lengths = ByteBuffer.wrap(message, 4, 8).order(ByteOrder.LITTLE_ENDIAN);
    long flags = message[3] & 255, payloadLength = u32((long) lengths.getInt()), metadataLength = u32((long) lengths.getInt());
    if (payloadLength > message.length - 12) throw new Refusal("decode", payloadLength + " bytes announced");
    if (metadataLength > payloadLength) throw new Refusal("decode", "the metadata is longer than the payload section");
    int split = 12 + (int) metadataLength, end = 12 + (int) payloadLength;
    var m = readMetadata(Arrays.copyOfRange(message, 12, split));
    if ((flags & 1) != 0) throw new Refusal("decode", "the payload is compressed, and this adapter has no zstd");
    byte[] payload = Arrays.copyOfRange(message, split, end);
    if (m.get("payload_checksum") instanceof Long sum && sum != crc(payload)) throw new Refusal("decode", "the checksum does not match");
    Map.of("payload_type", TYPES, "dtype", DTYPES, "mode", MODES).forEach((field, names) -> {
      long v = (Long) m.get(field);
      if (v >= names.size()) throw new Refusal("decode", field + " " + v + " is unknown");
      m.put(field, names.get((int) v));
    });
    var diagnostics = new ArrayList<String>();
    if ((flags & 4) != 0 != m.get("payload_type").equals("KV_CACHE")) diagnostics.add("flag_conflict");
    if ((flags & 2) != 0 == m.get("avp_map_id").equals("")) diagnostics.add("map_flag_conflict");
    out.put("payload", payload);
    var header = Map.of("version", 1, "flags", flags, "payload_length", payloadLength, "metadata_length", metadataLength);
    return Map.of("header", header, "metadata", m, "consumed", end, "diagnostics", diagnostics);
  }

  static String string(Object v) {
    if (v == null || v instanceof String) return v == null ? "" : (String) v;
    throw new Refusal("invalid_argument", v + " is no text");
  }
  static long number(Object v) {
    try { if (v == null || u32(((BigDecimal) v).longValueExact()) == ((BigDecimal) v).longValue()) return v == null ? 0 : ((BigDecimal) v).longValue(); }
    catch (ArithmeticException | ClassCastException e) { /* refused below */ }
    throw new Refusal("invalid_argument", v + " is no uint32");
  }
  static int index(Object v, List<String> names) {
    if (v == null || names.contains(v)) return v == null ? 0 : names.indexOf(v);
    throw new Refusal("invalid_argument", v + " is unknown");
  }

  static Map<String, Object> encode(byte[] payload, Map<?, ?> args, Map<String, byte[]> out) {
    Map<?, ?> m = args.get("metadata") instanceof Map<?, ?> given ? given : Map.of();
    if (args.get("compression") instanceof String level && !level.equals("none")) throw new Refusal("invalid_argument", "no zstd here");
    int type = index(m.get("payload_type"), TYPES);
    String map = string(m.get("avp_map_id"));
    Writer meta = new Writer(), shape = new Writer();
    for (int field = 1; field <= 4; field++) meta.text(field, string(m.get(TEXTS.get(field))));
    meta.number(5, number(m.get("hidden_dim")));
    meta.number(6, number(m.get("num_layers")));
    meta.number(7, type);
    meta.number(8, index(m.get("dtype"), DTYPES));
    if (m.get("tensor_shape") instanceof List<?> sizes) for (Object size : sizes) shape.varint(number(size));
    if (shape.size() > 0) meta.bytes(9, shape.toByteArray());
    meta.number(10, index(m.get("mode"), MODES));
    meta.text(13, map);
    var sorted = new TreeMap<byte[], byte[]>(Arrays::compareUnsigned);
    if (m.get("extra") instanceof Map<?, ?> extra) extra.forEach((k, v) -> sorted.put(utf8((String) k), utf8(string(v))));
    sorted.forEach((k, v) -> { Writer entry = new Writer(); entry.bytes(1, k); entry.bytes(2, v); meta.bytes(14, entry.toByteArray()); });
    if (!Boolean.FALSE.equals(args.get("checksum"))) meta.varint(15 * 8).varint(crc(payload)); // written even when it is 0
    byte[] start = {0x41, 0x56, 1, (byte) ((map.isEmpty() ? 0 : 2) | (type == 1 ? 4 : 0))};
    var message = ByteBuffer.allocate(12 + meta.size() + payload.length).order(ByteOrder.LITTLE_ENDIAN).put(start);
    message.putInt(meta.size() + payload.length).putInt(meta.size()).put(meta.toByteArray()).put(payload);
    out.put("message", message.array());
    return Map.of();
  }

  // --- ACP/1

  static final Map<String, Object> HELLO = Map.of("acp", 1, "name", "minimal-java", "version", "1", "language", "java", "specs", List.of("0.4"),
      "ops", List.of("encode", "decode"), "features", Map.of("zstd", false, "hybrid", false), "inflight", 1, "instances", 0);

  static Map<String, Object> answer(Map<?, ?> request, Map<String, byte[]> parts, Map<String, byte[]> out) {
    Map<?, ?> args = request.get("args") instanceof Map<?, ?> given ? given : Map.of();
    try {
      return switch ((String) request.get("op")) {
        case "hello" -> Map.of("ok", HELLO);
        case "decode" -> Map.of("ok", decode(parts.get("message"), out));
        case "encode" -> Map.of("ok", encode(parts.get("payload"), args, out));
        default -> Map.of("unsupported", "no such operation here");
      };
    } catch (Refusal e) {
      return Map.of("err", Map.of("code", e.code, "detail", e.getMessage()));
    } catch (RuntimeException e) { // what we refuse is an answer; anything else is our own bug and says so
      return Map.of("fault", e.toString());
    }
  }

  public static void main(String[] unused) throws IOException {
    var in = new BufferedInputStream(System.in);
    var stdout = new BufferedOutputStream(System.out, 1 << 16);
    for (byte[] head; (head = in.readNBytes(8)).length == 8; stdout.flush()) {
      var lengths = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN);
      var request = (Map<?, ?>) new Json(new String(in.readNBytes(lengths.getInt()), StandardCharsets.UTF_8)).value();
      Map<String, byte[]> parts = new HashMap<>(), out = new LinkedHashMap<>();
      if (request.get("parts") instanceof List<?> list)
        for (Object part : list)
          parts.put((String) ((Map<?, ?>) part).get("name"), in.readNBytes(((BigDecimal) ((Map<?, ?>) part).get("len")).intValueExact()));
      var json = new LinkedHashMap<>(answer(request, parts, out));
      json.put("id", request.get("id"));
      json.put("parts", out.entrySet().stream().map(e -> Map.of("name", e.getKey(), "len", e.getValue().length)).toList());
      byte[] body = utf8(Json.write(json));
      int total = out.values().stream().mapToInt(b -> b.length).sum();
      stdout.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putInt(body.length).putInt(total).array());
      stdout.write(body);
      for (byte[] bytes : out.values()) stdout.write(bytes);
    }
  }
}
