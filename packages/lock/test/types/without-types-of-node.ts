import { Locks } from "@holdfast/lock"
import { fence } from "@holdfast/lock/fence"
import { memoryStore } from "@holdfast/lock/memory"
import { postgresStore } from "@holdfast/lock/postgres"
import { redisStore } from "@holdfast/lock/redis"
import { exerciseStore } from "@holdfast/lock/testing"

/** A project without the types of Node, and without any client library. */
export const uses = [new Locks(memoryStore()), fence, postgresStore, redisStore, exerciseStore]
