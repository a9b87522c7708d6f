import { readFileSync } from 'node:fs';
import { errorMessage, StartError, UsageError } from '@vaultplane/platform/errors.ts';
import { fileError } from '@vaultplane/platform/text/shown-text.ts';

/** What a rehearsed outage has shown, as a control plane keeps it (POST /drills). No value is in it; names of secrets may be. */
export interface ToldDrill {
  /** Which outage: small letters, digits and -. */
  name: string;
  /** The machine that it was played on. */
  host: string | null;
  /** ISO 8601. */
  started_at: string;
  ended_at: string;
  passed: boolean;
  /** Lookups by applications meanwhile; null where they were not counted, as with the figures below. */
  lookups: number | null;
  wrong_answers: number | null;
  longest_gap_ms: number | null;
  longest_staleness_ms: number | null;
  /** What did not hold; a few. */
  problems: string[];
}

/** The bounds that a control plane keeps to. */
export const MOST_PROBLEMS = 10;
export const LONGEST_PROBLEM = 500;

/** Tells a control plane's Admin API what drills have shown. */
export class DrillReporter {
  readonly #url: URL;
  readonly #token: string | undefined;

  /**
   * @param url of the Admin API
   * @param token of an editor, as the file of `--report-token-file` or the environment has it; none where none is needed
   * @throws UsageError
   */
  constructor(url: string, token: string | undefined) {
    const parsed = URL.parse(url);
    if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.search !== '') {
      throw new UsageError('--report-to must be the address of an Admin API, such as http://127.0.0.1:8001');
    }
    this.#url = new URL(parsed.pathname.endsWith('/') ? parsed : `${parsed}/`);
    this.#token = token;
  }

  /** Of `--report-to` and `--report-token-file`; the token may also be VAULTPLANE_ADMIN_TOKEN. @throws UsageError, StartError */
  static of(options: { reportTo?: string; reportTokenFile?: string }): DrillReporter | undefined {
    const { reportTo, reportTokenFile: file } = options;
    if (reportTo === undefined) return undefined;
    if (file === undefined) return new DrillReporter(reportTo, process.env.VAULTPLANE_ADMIN_TOKEN);
    try {
      return new DrillReporter(reportTo, readFileSync(file, 'utf8').trim());
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new StartError(fileError('--report-token-file ', file, "can't be read", error));
    }
  }

  /** Whether reports will be taken: to be known before anything is broken on purpose. @throws StartError */
  async check(): Promise<void> {
    const { role } = (await this.#call('GET', 'whoami')) as { role: string };
    if (role === 'reader')
      throw new StartError(`${this.#url.origin} takes reports of editors; this token is a reader's`);
  }

  /** @throws StartError */
  async tell(report: ToldDrill): Promise<void> {
    const problems = report.problems.slice(0, MOST_PROBLEMS).map((text) => text.slice(0, LONGEST_PROBLEM));
    await this.#call('POST', 'drills', { ...report, problems });
  }

  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const where = `the Admin API at ${this.#url.origin}`;
    let answer: Response;
    try {
      answer = await fetch(new URL(path, this.#url), {
        method,
        headers: {
          ...(this.#token !== undefined && { 'kong-admin-token': this.#token }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(30_000),
      });
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      throw new StartError(`${where} does not answer: ${errorMessage(cause ?? error)}`);
    }
    const answered = (await answer.json().catch(() => ({}))) as { message?: string };
    if (answer.ok) return answered;
    const hint = answer.status === 401 ? '; its token is VAULTPLANE_ADMIN_TOKEN or that of --report-token-file' : '';
    throw new StartError(`${where} answered ${answer.status} (${answered.message ?? ''})${hint}`);
  }
}
