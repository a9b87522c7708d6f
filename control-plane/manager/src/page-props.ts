import type { AdminApi } from './admin-api.ts';
import type { FleetFeed } from './fleet-feed.ts';
import type { Route } from './route.ts';

/** What every page is given. */
export interface PageProps {
  api: AdminApi;
  feed: FleetFeed;
  route: Route;
}
