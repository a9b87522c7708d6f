import type { VNode } from 'preact';
import { AuditPage } from './audit-page.ts';
import { FleetPage } from './fleet-page.ts';
import { HistoryPage } from './history-page.ts';
import { NodesPage } from './nodes-page.ts';
import { OutagesPage } from './outages-page.ts';
import type { PageProps } from './page-props.ts';
import { ReferencesPage } from './references-page.ts';
import { VaultsPage } from './vaults-page.ts';

interface Page {
  name: string;
  title: string;
  icon: string;
  component: (props: PageProps) => VNode;
  adminOnly?: true;
}

/** In the order of the navigation. */
export const PAGES: readonly Page[] = [
  { name: 'fleet', title: 'Fleet', icon: '▦', component: FleetPage },
  { name: 'nodes', title: 'Nodes', icon: '◈', component: NodesPage },
  { name: 'vaults', title: 'Vaults', icon: '▣', component: VaultsPage },
  { name: 'references', title: 'References', icon: '⇄', component: ReferencesPage },
  { name: 'outages', title: 'Outages', icon: '▲', component: OutagesPage },
  { name: 'history', title: 'History', icon: '↺', component: HistoryPage },
  { name: 'audit', title: 'Audit', icon: '☰', component: AuditPage, adminOnly: true },
];
