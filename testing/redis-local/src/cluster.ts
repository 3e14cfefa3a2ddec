import { setTimeout as sleep } from "node:timers/promises"
import { LocalRedis, type Settings } from "./server.ts"

const SLOTS = 16_384

/** Masters that share the slots between them. */
export class LocalCluster {
  readonly nodes: readonly LocalRedis[]

  constructor(nodes: readonly LocalRedis[]) {
    this.nodes = nodes
  }

  /** The master that serves `slot`. */
  ownerOf(slot: number): LocalRedis {
    return this.nodes[Math.floor((slot * this.nodes.length) / SLOTS)] as LocalRedis
  }

  async kill(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
  }

  /** Waits until every node reports `cluster_state:ok`. */
  async whole(): Promise<void> {
    for (const node of this.nodes) {
      while (!(await node.say("CLUSTER", "INFO")).includes("cluster_state:ok")) await sleep(20)
    }
  }
}

/** Starts a cluster of three masters without replicas. */
export async function startCluster(settings: Settings = {}): Promise<LocalCluster> {
  const options = { settings: { "cluster-enabled": "yes", "cluster-node-timeout": "1000", ...settings } }
  const nodes = await Promise.all([1, 2, 3].map(() => LocalRedis.start(options)))
  const cluster = new LocalCluster(nodes)
  for (const [i, node] of nodes.entries()) await node.say("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1))
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot)
  for (const node of nodes) {
    const own = slots.filter((slot) => cluster.ownerOf(slot) === node)
    await node.say("CLUSTER", "ADDSLOTS", ...own.map(String))
    await node.say("CLUSTER", "MEET", "127.0.0.1", String(nodes[0]?.port))
  }
  for (const node of nodes) {
    while (!(await node.say("CLUSTER", "INFO")).includes("cluster_known_nodes:3")) await sleep(20)
  }
  await cluster.whole()
  return cluster
}
