import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AWS_ERRORS, AwsError, type AwsService, credentialError } from './aws-error.ts';
import type { Call, CallLog } from './call-log.ts';
import type { Answer, Exchange } from './exchange.ts';
import type { Caller, Iam } from './iam.ts';
import { isEmulated, unknownService } from './not-emulated.ts';
import type { AwsOrderBook } from './order-book.ts';
import { refuseS3, S3 } from './s3.ts';
import { type SecretsManager, secretIdsOf, TARGET_PREFIX } from './secrets-manager.ts';
import { headerValues, type ReceivedRequest, readSignature, type SignatureClaim } from './signature.ts';
import { STS_NAMESPACE, type Sts } from './sts.ts';
import { xmlOf } from './xml.ts';

type Parts = {
  secretsManager: SecretsManager;
  sts: Sts;
  s3: S3;
  iam: Iam;
  calls: CallLog;
  orders: AwsOrderBook;
  exchange: Exchange<Call, AwsError>;
  /** Region of calls that name none. */
  region: string;
};

type Authentication = { claim: SignatureClaim | null; caller: Caller | null; error: AwsError | null };

/** The signed endpoints: Secrets Manager (JSON 1.1) and STS (query), under whatever path an endpoint URL has; and S3. */
export class AwsEndpoint {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async handle(request: IncomingMessage, response: ServerResponse, received: ReceivedRequest): Promise<void> {
    const target = headerValues(received, 'x-amz-target')[0];
    if (target !== undefined) return this.#secretsManager(response, received, target);
    const form = received.method === 'POST' ? received.body.toString('utf8') : received.query;
    const parameters = new URLSearchParams(form);
    if (parameters.has('Action')) return this.#sts(request, response, received, parameters);
    if (headerValues(received, 'x-amz-content-sha256').length > 0) return this.#s3(response, received);
    response.writeHead(404, { 'content-type': 'application/json' });
    const { message } = unknownService('that this request is for');
    response.end(JSON.stringify({ message }));
  }

  async #secretsManager(response: ServerResponse, received: ReceivedRequest, target: string): Promise<void> {
    const { calls, orders, exchange, secretsManager } = this.#parts;
    const operation = target.startsWith(TARGET_PREFIX) ? target.slice(TARGET_PREFIX.length) : target;
    const authentication = this.#authenticate(received, 'secretsmanager', false);
    const call = calls.begin({
      service: 'secretsmanager',
      operation,
      secretIds: secretIdsOf(received.body),
      ...this.#described(received, authentication, secretIdsOf(received.body)),
    });
    const faultOf = (secretId: string): AwsError | null => {
      const order = orders.takeForSecret(call, secretId);
      if (!order) return null;
      call.orderId = order.id;
      const { behaviour } = order;
      if (behaviour.kind !== 'error') return AWS_ERRORS.throttled(call);
      return new AwsError(behaviour.code, behaviour.message ?? 'The emulator was ordered to answer so.');
    };
    await exchange.carryOut(call, response, refuseJson, () => {
      if (!target.startsWith(TARGET_PREFIX)) throw unknownService(serviceOf(authentication) ?? target.split('.')[0]!);
      if (authentication.error) throw authentication.error;
      const caller = authentication.caller!;
      const region = authentication.claim!.region;
      return json(200, secretsManager.carryOut({ operation, caller, region }, received.body, faultOf));
    });
  }

  async #sts(
    request: IncomingMessage,
    response: ServerResponse,
    received: ReceivedRequest,
    parameters: URLSearchParams,
  ): Promise<void> {
    const { calls, exchange, sts } = this.#parts;
    const operation = parameters.get('Action')!;
    const unsigned = operation === 'AssumeRoleWithWebIdentity';
    const authentication = this.#authenticate(received, 'sts', unsigned);
    const described = this.#described(received, authentication, []);
    const region = described.region ?? regionIn(`${request.headers.host ?? ''}${received.path}`);
    const call = calls.begin({
      service: 'sts',
      operation,
      secretIds: [],
      ...described,
      region,
      ...(unsigned ? { roleArn: parameters.get('RoleArn'), roleSession: parameters.get('RoleSessionName') } : {}),
    });
    await exchange.carryOut(call, response, refuseXml, () => {
      const service = serviceOf(authentication);
      if (service !== undefined) throw unknownService(service);
      if (authentication.error) throw authentication.error;
      const result = sts.carryOut(operation, parameters, authentication.caller, region ?? this.#parts.region);
      const body = xmlOf({
        [`${operation}Result`]: result,
        ResponseMetadata: { RequestId: randomUUID() },
      });
      return xml(200, `<${operation}Response xmlns="${STS_NAMESPACE}">${body}</${operation}Response>`, null);
    });
  }

  async #s3(response: ServerResponse, received: ReceivedRequest): Promise<void> {
    const { calls, exchange, s3 } = this.#parts;
    const request = S3.requestOf(received);
    const authentication = this.#authenticate(received, 's3', false);
    const call = calls.begin({
      service: 's3',
      operation: request.operation,
      ...this.#described(received, authentication, [`${request.bucket}/${request.key}`]),
      secretIds: [`${request.bucket}/${request.key}`],
    });
    await exchange.carryOut(call, response, refuseS3, () => {
      const service = serviceOf(authentication);
      if (service !== undefined) throw unknownService(service);
      if (authentication.error) throw authentication.error;
      return s3.carryOut(request, authentication.caller!, authentication.claim!.region, received.body);
    });
  }

  /** Never throws: a refused call is logged, and open to orders, like any other. */
  #authenticate(received: ReceivedRequest, service: AwsService, unsigned: boolean): Authentication {
    let claim: SignatureClaim | null = null;
    try {
      claim = readSignature(received, service);
      if (unsigned && claim === null) return { claim, caller: null, error: null };
      return { claim, caller: this.#parts.iam.authenticate(received, claim, service), error: null };
    } catch (error) {
      const shown = error instanceof AwsError ? error : credentialError(service, 'incomplete');
      return { claim, caller: null, error: shown };
    }
  }

  #described(received: ReceivedRequest, { claim, caller }: Authentication, secretIds: string[]) {
    return {
      region: claim?.region ?? null,
      secretId: secretIds.length === 1 ? secretIds[0]! : null,
      accessKeyId: claim?.accessKeyId ?? null,
      principalArn: caller?.arn ?? null,
      roleArn: caller?.roleArn ?? null,
      roleSession: caller?.session ?? null,
      host: headerValues(received, 'host')[0] ?? null,
      path: received.path,
    };
  }
}

/** The service that a signature is for, where that is not here. */
function serviceOf({ claim }: Authentication): string | undefined {
  return claim === null || isEmulated(claim.service) ? undefined : claim.service;
}

/** `sts.eu-west-1.amazonaws.com`, or an endpoint URL that has the region in its path; unsigned calls show it nowhere else. */
function regionIn(address: string): string | null {
  return /(?:^|[./])([a-z]{2}(?:-[a-z]+)+-\d)(?:[./:]|$)/.exec(address)?.[1] ?? null;
}

function json(status: number, body: unknown, errorCode: string | null = null): Answer {
  return {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() },
    body: JSON.stringify(body),
    errorCode,
  };
}

/** Errors of the layer in front of the service spell the member in lower case, the service's own do not. */
const FRONT_LAYER = new Set([
  'MissingAuthenticationTokenException',
  'IncompleteSignatureException',
  'UnrecognizedClientException',
  'ExpiredTokenException',
  'InvalidSignatureException',
  'ThrottlingException',
  'ValidationException',
]);

function refuseJson(error: AwsError): Answer {
  const member = FRONT_LAYER.has(error.code) ? 'message' : 'Message';
  return json(error.status, { __type: error.code, [member]: error.message }, error.code);
}

function xml(status: number, body: string, errorCode: string | null): Answer {
  return {
    status,
    headers: { 'content-type': 'text/xml', 'x-amzn-requestid': randomUUID() },
    body,
    errorCode,
  };
}

function refuseXml(error: AwsError): Answer {
  const body = xmlOf({
    Error: { Type: error.status < 500 ? 'Sender' : 'Receiver', Code: error.code, Message: error.message },
    RequestId: randomUUID(),
  });
  return xml(error.status, `<ErrorResponse xmlns="${STS_NAMESPACE}">${body}</ErrorResponse>`, error.code);
}
