import { looksLikeReference } from '@vaultplane/shared/reference.ts';
import Handlebars from 'handlebars';
import { parse as parseJson, stringify as printJson } from 'lossless-json';

/** An error in a template, or in what it makes of a value: with its place, and never with a value. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

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
    env: true,
    log: false,
  } as unknown as KnownHelpers,
};

/**
 * A Handlebars template, in which nothing is escaped and a name that is not known is an error. Its helpers:
 *
 * - `secret "REF"`: the value
 * - `json VALUE` (or `json "REF"`): as JSON, so a string in quotes with all escaped that needs it
 * - `fromJson VALUE` (or `fromJson "REF"`): what a JSON text says, to take members of or loop over; numbers keep every digit
 * - `shell VALUE`: in single quotes, as sh reads it
 * - `base64 VALUE`; `env "NAME"`: a variable of this program's environment
 */
export class Template {
  readonly #name: string;
  readonly #template: HandlebarsTemplateDelegate;
  readonly #env: NodeJS.ProcessEnv;

  /**
   * @param name for errors
   * @param env what `env` reads
   * @throws TemplateError
   */
  constructor(text: string, name: string, env: NodeJS.ProcessEnv) {
    this.#name = name;
    this.#env = env;
    try {
      const program = Handlebars.parse(separateBraces(text));
      // Compiles at once, where `compile` waits for the first use: a mistake is told before anything is looked up.
      Handlebars.precompile(program, OPTIONS);
      this.#template = Handlebars.compile(program, OPTIONS);
    } catch (error) {
      throw new TemplateError(`${name}: ${syntaxMessage(error)}`);
    }
  }

  /**
   * The text; or, where the template asks for references that `values` lacks, those that it has come across (there may
   * be more behind them).
   *
   * @throws TemplateError
   */
  render(values: ReadonlyMap<string, string>): string | Set<string> {
    const missing = new Set<string>();
    const lookUp = (reference: string) => {
      const value = values.get(reference);
      if (value === undefined) missing.add(reference);
      return value ?? '';
    };
    const text = (value: unknown) => {
      if (value === undefined) throw new TemplateError('a helper needs a value');
      return looksLikeReference(String(value)) ? lookUp(String(value)) : value;
    };
    const helpers = {
      secret: (reference: unknown) => {
        if (typeof reference !== 'string') throw new TemplateError('secret needs a reference in quotes');
        return lookUp(reference);
      },
      json: (value: unknown) => printJson(text(value)),
      fromJson: (value: unknown) => {
        const json = String(text(value));
        try {
          return json === '' && missing.size > 0 ? {} : parseJson(json);
        } catch {
          throw new TemplateError('fromJson was given a value that is no JSON');
        }
      },
      shell: (value: unknown) => `'${String(text(value)).replaceAll("'", `'\\''`)}'`,
      base64: (value: unknown) => Buffer.from(String(text(value))).toString('base64'),
      env: (name: unknown) => {
        const value = this.#env[String(name)];
        if (value === undefined) throw new TemplateError(`the variable ${String(name)} is not set`);
        return value;
      },
    };
    try {
      const result = this.#template({}, { helpers });
      return missing.size > 0 ? missing : result;
    } catch (error) {
      if (missing.size > 0) return missing;
      throw new TemplateError(`${this.#name}: ${renderMessage(error)}`);
    }
  }
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
    return `line ${line}, column ${Number(column) + 1}: there is no helper ${name}; there are secret, json, fromJson, shell, base64 and env`;
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
