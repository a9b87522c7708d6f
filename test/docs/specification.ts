import { readFileSync } from 'node:fs';

export const SPECIFICATION = new URL('../../docs/reference/specification.md', import.meta.url);

/** docs/reference/specification.md, by its numbered sections. */
export class Specification {
  readonly #sections = new Map<string, string>();

  constructor(text = readFileSync(SPECIFICATION, 'utf8')) {
    for (const part of text.split(/^(?=#{2,3} )/m)) {
      const number = /^#{2,3} ([\d.]*\d)/.exec(part)?.[1];
      if (number !== undefined) this.#sections.set(number, part);
    }
  }

  get numbers(): string[] {
    return [...this.#sections.keys()];
  }

  /** A section with all that is below it. @throws for one that is not there */
  section(number: string): string {
    const own = this.#sections.get(number);
    if (own === undefined) throw new Error(`there is no section ${number}`);
    const below = [...this.#sections].filter(([other]) => other.startsWith(`${number}.`)).map(([, text]) => text);
    return [own, ...below].join('');
  }

  /** The rows of a section's tables, without their heads. */
  rows(number: string): string[][] {
    const lines = (this.#sections.get(number) ?? '').split('\n').filter((line) => line.startsWith('| '));
    const isHead = (index: number) => /^[|\- ]+$/.test(lines[index + 1] ?? '');
    return lines
      .filter((line, index) => !/^[|\- ]+$/.test(line) && !isHead(index))
      .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim()));
  }

  /** `METHOD /path` of the blocks of a section and of all below it. */
  calls(number: string): string[] {
    return [...this.section(number).matchAll(/^(GET|HEAD|POST|PUT|PATCH|DELETE) +(\/\S*(?: or \S+)?)$/gm)].map(
      ([, method, path]) => `${method} ${path}`,
    );
  }
}

/** What stands between backticks. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, inside]) => inside!);
}
