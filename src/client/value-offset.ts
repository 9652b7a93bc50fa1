import { createScanner } from "jsonc-parser";

/**
 * Where the value of a key of the outermost object begins; with a key that stands there twice, the last one's.
 * Tokens are told apart by their first character. A scanner, not a tree: nesting has no limit yet at this point.
 *
 * @param text an object in valid JSON.
 * @returns an offset in UTF-16 units, or -1 without such a key.
 */
export function valueOffset(text: string, key: string): number {
  const scanner = createScanner(text, true);
  let depth = 0;
  let string = "";
  let isWanted = false;
  let found = -1;
  for (scanner.scan(); scanner.getTokenOffset() < text.length; scanner.scan()) {
    const offset = scanner.getTokenOffset();
    if (isWanted) found = offset;
    isWanted = false;
    switch (text[offset]) {
      case "{":
      case "[":
        depth += 1;
        break;
      case "}":
      case "]":
        depth -= 1;
        break;
      case '"':
        string = scanner.getTokenValue();
        break;
      case ":":
        isWanted = depth === 1 && string === key;
        break;
    }
  }
  return found;
}
