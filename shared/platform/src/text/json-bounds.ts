/** How much one JSON text may hold, beside its bytes. */
export interface JsonBounds {
  /** Values of every kind, containers too. */
  values: number;
  /** Objects and arrays inside one another. */
  depth: number;
  /** Members of one object. */
  members: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * What of a JSON text is over its bounds, as the end of a sentence that begins "the body has"; undefined where nothing is.
 * One pass without allocation (2 ms per MB), to be made before JSON.parse: a few bytes of text are a hundred in memory, and
 * whatever handles the values afterwards takes them to be few. Whether the text is JSON at all is left to JSON.parse.
 */
export function overJsonBounds(text: string, { values, depth, members }: JsonBounds): string | undefined {
  let seen = 1;
  // By depth: members of the object there so far; -1 for an array.
  const open: number[] = [];
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case COMMA: {
        if (++seen > values) return `more than ${values} values`;
        const last = open.length - 1;
        const before = open[last];
        if (before !== undefined && before >= 0) {
          open[last] = before + 1;
          if (before + 1 >= members) return `an object with more than ${members} members`;
        }
        break;
      }
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        if (++seen > values) return `more than ${values} values`;
        if (open.length >= depth) return `more than ${depth} levels of nesting`;
        open.push(text.charCodeAt(at) === OPEN_OBJECT ? 0 : -1);
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        open.pop();
    }
  }
  return undefined;
}

/** Where the string that begins at a quote ends: at its other quote, or the text's end. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return at;
}
