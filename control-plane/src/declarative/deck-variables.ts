import { randomBytes } from 'node:crypto';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { isScalar, type Scalar } from 'yaml';
import { UnreadableYaml } from './yaml-merges.ts';

/** Only these may be named: whoever writes a file must not have any other variable sent along. Source: decK. */
const PREFIX = 'DECK_';
const TEMPLATE = /\$\{\{-?([^{}]*?)-?\}\}/g;
const EXPRESSION = /^\s*env\s+(?:"([^"\\]*)"|`([^`]*)`)\s*((?:\|[^|]*)*)$/;
/** Shorter ones stand in any text. */
const MIN_HIDDEN = 4;
/** What an error shows of a longer text. */
const SHOWN_CHARACTERS = 200;

/**
 * decK's variables in a file: `${{ env "DECK_TOKEN" }}`, with `| toInt`, `| toFloat`, `| toBool` or `| indent 4` behind it.
 * decK replaces them in the text; here they are replaced in what was read of it, so that a value is never taken for YAML,
 * and never stands in the error of a parser.
 *
 * Only for files that a command reads: over HTTP they are texts like any other.
 */
export class DeckVariables {
  /** The file's text, with a mark for each variable. */
  readonly text: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #expressions: string[] = [];
  readonly #mark = `deck${randomBytes(12).toString('hex')}v`;
  readonly #used = new Map<string, string>();

  constructor(text: string, env: NodeJS.ProcessEnv) {
    this.#env = env;
    this.text = text.replaceAll(TEMPLATE, (_all, expression: string) => {
      return `${this.#mark}${this.#expressions.push(expression) - 1}v`;
    });
  }

  /** For a visitor of the file: puts values in the place of the marks. @throws UnreadableYaml */
  readonly replace = (node: unknown): void => {
    if (!isScalar(node) || typeof node.value !== 'string' || !node.value.includes(this.#mark)) return;
    const text = node.value.replaceAll(new RegExp(`${this.#mark}(\\d+)v`, 'g'), (_all, index: string) => {
      return this.#valueOf(this.#expressions[Number(index)]!);
    });
    const isAlone = new RegExp(`^${this.#mark}\\d+v$`).test(node.value);
    (node as Scalar).value = isAlone && node.type === 'PLAIN' ? plain(text) : text;
  };

  /** A text without the values that were put in: an error may quote what is wrong. */
  hide(text: string): string {
    let hidden = text;
    for (const [name, value] of this.#used) {
      if (value.length < MIN_HIDDEN) continue;
      for (const form of [value, JSON.stringify(value).slice(1, -1), value.slice(0, SHOWN_CHARACTERS)]) {
        hidden = hidden.replaceAll(form, `(${name})`);
      }
    }
    return hidden;
  }

  #valueOf(expression: string): string {
    const [, quoted, raw, behind = ''] = EXPRESSION.exec(expression) ?? [];
    const name = quoted ?? raw;
    if (name === undefined) {
      throw new UnreadableYaml(
        `a \${{ }} of the file is not understood: it may be env "${PREFIX}NAME", with | toInt, | toFloat, | toBool or | indent N behind it`,
      );
    }
    if (!name.startsWith(PREFIX)) {
      throw new UnreadableYaml(
        `the file names the environment variable ${shownName(name)}: only names that begin with ${PREFIX} are allowed`,
      );
    }
    const value = this.#env[name];
    if (value === undefined) {
      throw new UnreadableYaml(`the file names the environment variable ${shownName(name)}, which is not set`);
    }
    this.#used.set(name, value);
    return behind
      .split('|')
      .slice(1)
      .reduce((text, name) => converted(text, name.trim()), value);
  }
}

/** Source: strconv's Atoi, ParseFloat and ParseBool, which decK calls. */
function converted(text: string, step: string): string {
  const wrong = (kind: string) => new UnreadableYaml(`a variable that the file names is no ${kind}`);
  switch (step) {
    case 'toInt':
      if (!/^[-+]?\d{1,18}$/.test(text)) throw wrong('whole number');
      return String(Number(text));
    case 'toFloat':
      if (text.trim() !== text || text === '' || !Number.isFinite(Number(text))) throw wrong('number');
      return String(Number(text));
    case 'toBool':
      if (/^(1|t|T|TRUE|true|True)$/.test(text)) return 'true';
      if (/^(0|f|F|FALSE|false|False)$/.test(text)) return 'false';
      throw wrong('boolean');
    default:
      // Where a value stands in the file's text, its lines have to be indented; here they have not.
      if (/^indent\s+\d+$/.test(step)) return text;
      throw new UnreadableYaml(
        `a \${{ }} of the file has | ${shownName(step)}: there are toInt, toFloat, toBool and indent N`,
      );
  }
}

/** What YAML takes a text without quotes for. Source: YAML 1.2.2 §10.3.2. */
function plain(text: string): string | number | boolean | null {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  if (/^(null|Null|NULL|~|)$/.test(text)) return null;
  return /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(text) ? Number(text) : text;
}
