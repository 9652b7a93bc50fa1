/**
 * Lines that break JSON parsers and those who trust them, by the shapes that the public collections of bad JSON have,
 * written down here once more. Some are fine, most are not; what each is, the oracle says.
 */
const good = (data: string, rest = "") =>
  `{"pattern_id":"s","pattern_type":"error_occurrence","timestamp":"2026-01-02T03:04:05Z","data":{"error_type":"T","error_message":"m"${data}}${rest}}`;
const value = (json: string) => good(`,"x":${json}`);
const nested = (open: string, close: string, levels: number) =>
  value(open.repeat(levels) + close.repeat(levels));

const NUMBERS = [
  ..."0 -0 1 -1 1.5 1e5 1E+5 1e-5 123123e100000 -1e400 1e400 0e+1 0.4e-66999999999999 100000000000000000000000".split(
    " ",
  ),
  ..."9007199254740993 -9223372036854775808 18446744073709551616 4.9e-324 00 01 -01 1. .5 -.5 1.e1 1e 1e+ 1eE2 +1".split(
    " ",
  ),
  ..."0x1 0b1 1_000 NaN Infinity -Infinity - -- 1+2 1ea 2.e3 ٣ １".split(" "),
];
const STRINGS = [
  ...'"" "\\u0000" "\\u0000x" "\\ud800" "\\udc00\\ud800" "\\ud83e\\udd8a" "\\uD800\\n" "\\uFFFE" "\\uffff" "\\/" "\\b\\f\\n\\r\\t"'.split(
    " ",
  ),
  ...'"\\u" "\\u12" "\\u00G0" "\\x41" "\\a" "\\" "\\\\" "\\uD834\\u" "abc \'a\' a “a” "\\u{1F98A}"'.split(
    " ",
  ),
  '"\t"',
  '"\u007f"',
  '"\u2028\u2029"',
  '"\ufeff"',
  '"\u{10ffff}"',
  '"\0"',
  '"\u001f"',
  '"e\u0301"',
  '"🦊',
];
const STRUCTURES = [
  ..."[] {} [1] [1,] [,1] [1,,2] [,] [ { } ] [[]] {}} [1 [1}".split(" "),
  '{"a":1,}',
  '{"a":}',
  '{"a"}',
  '{"a" 1}',
  "{a:1}",
  "{'a':1}",
  '{"a":1 "b":2}',
  '{"a":1,,"b":2}',
  "{:1}",
  "{1:1}",
  "{null:1}",
  '{"a":1,"a":2}',
  '{"":0}',
  '{"__proto__":{"x":1}}',
  '{"constructor":1,"hasOwnProperty":2,"toString":3}',
  '{"length":-1}',
  "[1]]",
  "[1]//c",
  "[1]/**/",
  "[/**/1]",
  "#",
  "true",
  "false",
  "null",
  "TRUE",
  "nul",
  "truee",
  "undefined",
  "[True]",
  "[a\u0061]",
  "[\f1]",
  "[\u00a01]",
  "[\u20601]",
  " [1] ",
  "\t{}\r",
];
/** Whole lines. */
const LINES = [
  good(""),
  good(',"n":12345678901234567890,"u":"\\u0061\\ud83e\\udd8a"', ',"context":{"tags":["a"]},"version":"2"'),
  good("", ',"context":null,"version":null'),
  good("", ',"context":{"tags":["\\u0000"]}'),
  good("", ',"context":{"tags":["\\udc00"]}'),
  good("", ',"data":[]'),
  good("", ',"pattern_type":"nope"'),
  good("", ',"pattern_type":5'),
  good("", ',"pattern_id":""'),
  good("", `,"pattern_id":"${"x".repeat(257)}"`),
  good("", `,"pattern_id":"${"🦊".repeat(256)}"`),
  good("", ',"pattern_id":"\\ud800"'),
  good("", ',"patt\\u0065rn_id":"escaped key"'),
  good("", ',"timestamp":"2026-02-30"'),
  good("", ',"timestamp":"1969-12-31T23:59:59Z"'),
  good("", ',"timestamp":"2261-12-31"'),
  good("", ',"timestamp":"2026-01-01 24:00"'),
  good("", ',"timestamp":"2026-01-01T00:00:00.0000000001Z"'),
  good("", ',"timestamp":"2026-01-01T00:00+2400"'),
  good("", ',"timestamp":"2026-01-01t00:00z"'),
  good("", ',"timestamp":20260101'),
  good("", ',"context":{"environment":"test"}'),
  good("", ',"context":{"timestamp":"2026-13-01"}'),
  good("", ',"context":[]'),
  good(',"error_type":null'),
  good(',"line_number":5.0'),
  good(',"line_number":5.5'),
  good(',"line_number":-0'),
  good(',"line_number":9007199254740993'),
  `${good("")}${good("")}`,
  `${good("")} x`,
  `\ufeff${good("")}`,
  `${good("")}\0`,
  `\0${good("")}`,
  good("").slice(0, -1),
  good("").slice(1),
  good("").replaceAll('"', "'"),
  good("").toUpperCase(),
  `[${good("")}]`,
  JSON.stringify(good("")),
  good("").replace(":", "="),
  "{".repeat(5000),
  "[".repeat(5000),
  '{"a":'.repeat(1000),
  '[{"":'.repeat(500),
  `${"[".repeat(3000)}${"]".repeat(3000)}`,
  nested("[", "]", 98),
  nested("[", "]", 99),
  nested('{"a":', "}", 99).replace('{"a":}', '{"a":1}'),
  nested("[", "]", 2000),
  `"${"[".repeat(200)}"`,
  good(`,"x":"${'[{\\"'.repeat(100)}"`),
  "x".repeat(4096),
  good(`,"x":"${"x".repeat(4200)}"`),
  " ".repeat(5000),
  "\v",
  "\u00a0",
];
/** Whole lines that are no text. */
const BYTES = [
  [0xff],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xe0, 0x80, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xef, 0xbb],
  [0xef, 0xbb, 0xbf],
  [0xfe, 0xff, 0x00, 0x7b],
  [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00],
  [0x80],
  [0xe2, 0x28, 0xa1],
  [0x7b, 0x22, 0xe9, 0x22, 0x3a, 0x30, 0x7d],
];

export const SHAPES: readonly Buffer[] = [
  ...[...NUMBERS, ...STRINGS, ...STRUCTURES]
    .flatMap((json) => [json, value(json)])
    .map((text) => Buffer.from(text)),
  ...LINES.map((text) => Buffer.from(text)),
  ...BYTES.flatMap((bytes) => {
    const own = Buffer.from(bytes);
    const [before = "", after = ""] = value('"|"').split("|");
    return [own, Buffer.concat([Buffer.from(before), own, Buffer.from(after)])];
  }),
];

/** What a mutation puts into a line. */
export const TOKENS: readonly string[] = [
  ...'{ } [ ] : , " \\ \\u \\ud800 \\u0000 null true -1 1e999 0x \n \r \0'.split(" "),
  "\ufeff",
  "é",
  "🦊",
  '\\"',
  "pattern_id",
  '"timestamp":',
  '"data":{}',
  '"data":',
  "__proto__",
  "\t",
  "\r\n",
];
