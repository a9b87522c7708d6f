import { getSystemErrorMessage } from 'node:util';
import { fileProblem, shownPath } from '@vaultplane/platform/text/shown-text.ts';

/**
 * What the network, a name server or the other side does to a connection. Sources: errno of connect(2), recv(2) and send(2),
 * getaddrinfo(3), c-ares, llhttp, Node.js's and OpenSSL's codes of TLS.
 */
const NETWORK =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|ETIMEOUT|EHOST(?:UNREACH|DOWN)|ENET(?:UNREACH|DOWN|RESET)|ENOTCONN|EPROTO|ABORT_ERR|ENOTFOUND|ENODATA|ESERVFAIL|EREFUSED|EBADRESP|EFORMERR|ENOTIMP|ECANCELLED|EAI_[A-Z]+|HPE_[A-Z_]+|ERR_(?:SSL|TLS|OSSL|STREAM_PREMATURE_CLOSE|SOCKET_(?:CLOSED|CONNECTION_TIMEOUT))[A-Z0-9_]*)$/;
const TRUST = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO_|HOSTNAME_MISMATCH/;
const CODE = /^[A-Z][A-Z0-9_]+$/;

interface Thrown {
  code?: unknown;
  name?: unknown;
  syscall?: unknown;
  path?: unknown;
  errno?: unknown;
  info?: { code?: unknown; syscall?: unknown };
}

/** A code of the system, of Node.js or of OpenSSL; undefined for an error that has none. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as Thrown;
  return typeof code === 'string' && CODE.test(code) ? code : undefined;
}

/** Whether an error's code says that one side of a TLS connection does not trust the other. */
export function isAboutTrust(error: unknown): boolean {
  return TRUST.test(codeOf(error) ?? '');
}

/**
 * Why there was no answer, for an error's text: that `target` can't be reached is said only of what the network does. What
 * is wrong on this machine, or in this program, is told as that.
 *
 * @param target such as `AWS Secrets Manager in us-east-1`
 * @param trust the setting that says whom to trust
 */
export function unreached(error: unknown, target: string, trust: string): string {
  const code = codeOf(error);
  const { name } = (error ?? {}) as Thrown;
  if (code === undefined) {
    if (name === 'AbortError' || name === 'TimeoutError') return `${target} can't be reached (timeout)`;
    return `${target} was not asked: ${programFailed(typeof name === 'string' && /^\w{3,40}$/.test(name) ? name : 'an unknown error')}`;
  }
  if (TRUST.test(code)) return `${target} can't be reached (${code}; ${trust})`;
  if (NETWORK.test(code)) return `${target} can't be reached (${code})`;
  return `${target} was not asked: ${localProblem(error as Thrown, code)}`;
}

/** What is wrong on this machine, as far as an error says it without its own words; undefined for one of the network. */
export function localProblemOf(error: unknown): string | undefined {
  const code = codeOf(error);
  return code === undefined || TRUST.test(code) || NETWORK.test(code) ? undefined : localProblem(error as Thrown, code);
}

function localProblem({ path, syscall, errno, info }: Thrown, code: string): string {
  if (code === 'EMFILE') {
    return 'this process has too many open files (EMFILE); raise its limit (LimitNOFILE, ulimit -n)';
  }
  if (code === 'ENFILE') return 'this machine has too many open files (ENFILE); raise fs.file-max';
  if (code === 'EADDRNOTAVAIL') {
    return 'this machine has no free local port, or no address of that family (EADDRNOTAVAIL)';
  }
  if ((code === 'EACCES' || code === 'EPERM') && (syscall === 'connect' || syscall === 'socket')) {
    return `this machine does not let the program connect (${code}); look at its firewall and sandbox`;
  }
  if (typeof path === 'string') return `${shownPath(path)}: ${fileProblem({ code, errno })}`;
  if (code === 'ERR_SYSTEM_ERROR' && typeof info?.code === 'string' && CODE.test(info.code)) {
    const call = typeof info.syscall === 'string' && /^\w{2,40}$/.test(info.syscall) ? `${info.syscall}: ` : '';
    return `this machine failed (${call}${info.code})`;
  }
  if (code === 'ERR_INVALID_CHAR') return 'a credential has a character that no header may have (ERR_INVALID_CHAR)';
  if (code.startsWith('ERR_')) return programFailed(code);
  const means = typeof errno === 'number' && errno < 0 ? `: ${getSystemErrorMessage(errno)}` : '';
  return `this machine failed (${code}${means})`;
}

/** Nothing that people can set leads here. */
const programFailed = (what: string): string => `this program failed (${what}); please report it`;
