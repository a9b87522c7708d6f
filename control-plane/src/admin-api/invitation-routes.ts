import type { FastifyInstance } from 'fastify';
import type { Enrolment } from '../fleet/enrolment.ts';
import { checkInvitation } from '../fleet/new-invitation.ts';
import type { Invitations } from '../store/invitations.ts';
import { badRequest, notFound } from './kong-error.ts';
import { entityOf } from './request-body.ts';
import { pathParameter, resource, writeRequest } from './resources.ts';

/** /nodes/invitations, beyond Kong: by which data planes join. A token is shown once, in the answer that makes it. */
export function invitationRoutes(app: FastifyInstance, invitations: Invitations, enrolment?: Enrolment): void {
  resource(
    app,
    '/nodes/invitations',
    {
      GET: async () => ({ data: await invitations.list(), next: null }),
      POST: async (request, reply) => {
        if (!enrolment) {
          throw badRequest('this control plane is no CA; set cluster_mtls = enrolled to have data planes join');
        }
        const checked = checkInvitation(entityOf(request.body));
        if (typeof checked === 'string') throw badRequest(checked);
        reply.code(201);
        return enrolment.invite(checked, request.actor, writeRequest(request, 201));
      },
    },
    { role: 'admin' },
  );
  resource(
    app,
    '/nodes/invitations/:id',
    {
      DELETE: async (request, reply) => {
        const id = pathParameter(request, 'id');
        if (!(await invitations.revoke(id, request.actor, writeRequest(request, 204)))) throw notFound();
        return reply.code(204).send();
      },
    },
    { role: 'admin' },
  );
}
