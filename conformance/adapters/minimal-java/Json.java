import java.math.BigDecimal;
import java.util.*;

/** As much JSON as a request and an answer need: Map, List, String, Boolean, null, and every number as BigDecimal. */
final class Json {
  final String text;
  int at;
  Json(String text) { this.text = text; }
  boolean next(char c) {
    while (Character.isWhitespace(text.charAt(at))) at++;
    if (text.charAt(at) == c) return at++ >= 0;
    return false;
  }
  Object value() {
    if (next('{')) {
      var map = new LinkedHashMap<String, Object>();
      while (!next('}')) { next(','); Object key = value(); next(':'); map.put((String) key, value()); }
      return map;
    }
    if (next('[')) {
      var list = new ArrayList<Object>();
      while (!next(']')) { next(','); list.add(value()); }
      return list;
    }
    if (next('"')) {
      var out = new StringBuilder();
      for (char c; (c = text.charAt(at++)) != '"'; ) {
        int plain = c == '\\' ? "bfnrtu".indexOf(c = text.charAt(at++)) : -1;
        out.append(plain < 0 ? c : plain < 5 ? "\b\f\n\r\t".charAt(plain) : (char) Integer.parseInt(text.substring(at, at += 4), 16));
      }
      return out.toString();
    }
    int start = at;
    while (",]} \t\r\n".indexOf(text.charAt(at)) < 0) at++;
    String word = text.substring(start, at);
    return switch (word) { case "true" -> true; case "false" -> false; case "null" -> null; default -> new BigDecimal(word); };
  }
  static String write(Object v) {
    if (v instanceof Map<?, ?> m) return "{" + String.join(",", m.entrySet().stream().map(e -> write(e.getKey()) + ":" + write(e.getValue())).toList()) + "}";
    if (v instanceof List<?> l) return "[" + String.join(",", l.stream().map(Json::write).toList()) + "]";
    if (!(v instanceof String s)) return String.valueOf(v);
    var out = new StringBuilder("\"");
    s.chars().forEach(c -> out.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", c) : String.valueOf((char) c)));
    return out.append('"').toString();
  }
}
