import { looksLikeReference } from '@vaultplane/model/references/reference.ts';
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { withoutByteOrderMark } from '@vaultplane/platform/text/json-text.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import Handlebars from 'handlebars';
import { parse as parseJson, stringify as printJson } from 'lossless-json';
import { BinaryValue, DecodedValue, decoded, PlacedBytes } from './template-bytes.ts';
import { TemplateError } from './template-error.ts';

export { TemplateError };

/** A reference as the template itself has it, in quotes: no value that is fetched can be one, whatever it looks like. */
class NamedReference {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** The helper that makes one, which no template may call: ReferenceMarker sees to that. */
const NAMED = 'named reference';

const OPTIONS: CompileOptions = {
  // It is for any kind of file, and HTML is the least likely.
  noEscape: true,
  strict: true,
  knownHelpersOnly: true,
  // `log` is Handlebars's own, and would write values on the terminal.
  knownHelpers: {
    secret: true,
    json: true,
    fromJson: true,
    shell: true,
    base64: true,
    decode: true,
    env: true,
    [NAMED]: true,
    log: false,
  } as unknown as KnownHelpers,
};

/**
 * A Handlebars template, in which nothing is escaped and a name that is not known is an error. Its helpers:
 *
 * - `secret "REF"`: the value. A reference is one only in quotes, in the template itself: a value, or a variable, that looks
 *   like one is text
 * - `json VALUE` (or `json "REF"`): as JSON, so a string in quotes with all escaped that needs it
 * - `fromJson VALUE` (or `fromJson "REF"`): what a JSON text says, to take members of or loop over; numbers keep every digit
 * - `shell VALUE`: in single quotes, as sh reads it
 * - `base64 VALUE`: of the bytes themselves where the secret is binary
 * - `decode VALUE` (or `decode "REF"`): the bytes of a binary secret, or those that a value is the base64 of
 * - `env "NAME"`: a variable of this program's environment
 *
 * A binary secret is its base64 everywhere else, or with `binary` its bytes where it stands alone.
 */
export class Template {
  readonly #name: string;
  readonly #template: HandlebarsTemplateDelegate;
  readonly #env: NodeJS.ProcessEnv;
  readonly #binary: boolean;

  /**
   * @param name for errors
   * @param options.env what `env` reads
   * @param options.binary whether `secret` puts the bytes of a binary secret, and not their base64
   * @throws TemplateError
   */
  constructor(text: string, name: string, { env, binary = false }: { env: NodeJS.ProcessEnv; binary?: boolean }) {
    this.#name = name;
    this.#env = env;
    this.#binary = binary;
    try {
      const program = Handlebars.parse(separateBraces(text));
      new ReferenceMarker().accept(program);
      // Compiles at once, where `compile` waits for the first use: a mistake is told before anything is looked up.
      Handlebars.precompile(program, OPTIONS);
      this.#template = Handlebars.compile(program, OPTIONS);
    } catch (error) {
      throw new TemplateError(`${name}: ${syntaxMessage(error)}`);
    }
  }

  /**
   * What is made of it; or, where the template asks for references that `values` lacks, those that it has come across (there may
   * be more behind them).
   *
   * @throws TemplateError
   */
  render(values: ReadonlyMap<string, string | Uint8Array>): Buffer | Set<string> {
    const missing = new Set<string>();
    const placed = new PlacedBytes();
    const lookUp = (reference: string) => {
      const value = values.get(reference);
      if (value === undefined) missing.add(reference);
      return value instanceof Uint8Array ? new BinaryValue(value, this.#binary ? placed : undefined) : (value ?? '');
    };
    const given = (value: unknown) => {
      if (value === undefined) throw new TemplateError('a helper needs a value');
      return value instanceof NamedReference ? lookUp(String(value)) : value;
    };
    /** Of what is to be worked on as text. */
    const text = (value: unknown) => {
      const found = given(value);
      return found instanceof BinaryValue ? found.text : found;
    };
    const helpers = {
      [NAMED]: (reference: string) => new NamedReference(reference),
      secret: (reference: unknown) => {
        if (reference instanceof NamedReference) return lookUp(String(reference));
        throw new TemplateError('secret needs a reference in quotes; a value or a variable is never taken for one');
      },
      json: (value: unknown) => printJson(text(value)),
      fromJson: (value: unknown) => {
        const json = String(text(value));
        try {
          return json === '' && missing.size > 0 ? {} : parseJson(withoutByteOrderMark(json));
        } catch {
          throw new TemplateError('fromJson was given a value that is no JSON');
        }
      },
      shell: (value: unknown) => `'${String(text(value)).replaceAll("'", `'\\''`)}'`,
      base64: (value: unknown) => {
        const found = given(value);
        return (found instanceof BinaryValue ? found.bytes : Buffer.from(String(found))).toString('base64');
      },
      decode: (value: unknown) => {
        const found = given(value);
        return new DecodedValue(found instanceof BinaryValue ? found.bytes : decoded(String(found)), placed);
      },
      env: (name: unknown) => {
        const value = this.#env[String(name)];
        if (value === undefined) throw new TemplateError(`the variable ${String(name)} is not set`);
        return value;
      },
    };
    try {
      const result = String(this.#template({}, { helpers }));
      return missing.size > 0 ? missing : placed.putInto(result);
    } catch (error) {
      if (missing.size > 0) return missing;
      throw new TemplateError(`${this.#name}: ${renderMessage(error)}`);
    }
  }
}

/** Marks the references that stand in a template, before anything is fetched. */
class ReferenceMarker extends Handlebars.Visitor {
  override SubExpression(call: hbs.AST.SubExpression): void {
    mark(call);
    super.SubExpression(call);
  }

  override MustacheStatement(call: hbs.AST.MustacheStatement): void {
    mark(call);
    super.MustacheStatement(call);
  }

  override BlockStatement(call: hbs.AST.BlockStatement): void {
    mark(call);
    super.BlockStatement(call);
  }
}

/** Those of ours; each takes one value. */
const HELPERS = ['secret', 'json', 'fromJson', 'shell', 'base64', 'decode', 'env'];

/** Calls of NAMED that are not the template's own. */
const MADE = new WeakSet<object>();

function mark(call: Pick<hbs.AST.MustacheStatement, 'path' | 'params' | 'hash'>): void {
  const helper = (call.path as hbs.AST.PathExpression).original;
  if (MADE.has(call)) return;
  if (helper === NAMED) throw new TemplateError(`there is no helper ${NAMED}`);
  if (HELPERS.includes(helper)) {
    const [option] = call.hash?.pairs ?? [];
    if (option !== undefined)
      throw new TemplateError(`${helper} takes no options, and so no ${shownName(option.key)}=`);
    if (call.params.length !== 1)
      throw new TemplateError(`${helper} takes one value, and was given ${call.params.length}`);
  }
  if (helper === 'env') return;
  // What `secret` is given is a reference or a mistake, to be told as one.
  const isOne = (node: hbs.AST.Expression): node is hbs.AST.StringLiteral =>
    node.type === 'StringLiteral' && (helper === 'secret' || looksLikeReference((node as hbs.AST.StringLiteral).value));
  call.params = call.params.map((node) => (isOne(node) ? named(node) : node));
}

/** `(NAMED "REF")` in place of `"REF"`. */
function named(reference: hbs.AST.StringLiteral): hbs.AST.SubExpression {
  const { loc } = reference;
  const path = { type: 'PathExpression', data: false, depth: 0, parts: [NAMED], original: NAMED, loc };
  const call = { type: 'SubExpression', path, params: [reference], hash: undefined, loc };
  MADE.add(call);
  return call as unknown as hbs.AST.SubExpression;
}

/**
 * In `{"password": {{ json "…" }}}` Handlebars takes the three braces for the end of what `{{{` would have begun; people
 * who write JSON mean the first two. A comment between them says so.
 */
function separateBraces(text: string): string {
  return text.replaceAll(/(?<!\{)(\{\{(?![{!])(?:[^"'{}]|"[^"]*"|'[^']*')*\}\})\}/g, '$1{{!}}}');
}

function syntaxMessage(error: unknown): string {
  const message = (error as Error).message;
  const unknownHelper = /used the unknown helper (\S+) - (\d+):(\d+)/.exec(message);
  if (unknownHelper) {
    const [, name, line, column] = unknownHelper;
    return `line ${line}, column ${Number(column) + 1}: there is no helper ${shownName(name!)}${nearest(name!, HELPERS) || '; there are secret, json, fromJson, shell, base64, decode and env'}`;
  }
  const parseError = /Parse error on line (\d+)/.exec(message);
  return parseError ? `line ${parseError[1]} is not what a Handlebars template may have` : message;
}

/** Handlebars's own messages quote what they were working on, which may be a value. */
function renderMessage(error: unknown): string {
  const { message, lineNumber, column } = error as Error & { lineNumber?: number; column?: number };
  const place = lineNumber === undefined ? '' : `line ${lineNumber}, column ${Number(column) + 1}: `;
  if (error instanceof TemplateError) return place + message;
  const undefinedName = /^"([^"]*)" not defined in /.exec(message)?.[1];
  if (undefinedName !== undefined) return `${place}${JSON.stringify(undefinedName)} is not defined`;
  return `${place}it can't be applied to what a secret holds`;
}
