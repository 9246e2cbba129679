/**
 * Listening sockets that systemd has opened for this process (sd_listen_fds(3)), as file descriptors. They stay open in
 * systemd while the relay restarts, so that connections wait there.
 */
export interface InheritedSockets {
  /** Undefined: the relay binds `listen`. */
  readonly relay?: number | undefined
  /** Undefined: the relay binds `metrics.listen`. */
  readonly metrics?: number | undefined
  /** Undefined: the relay binds `admin.listen`. Only an earlier process of this relay hands it over. */
  readonly page?: number | undefined
  /** An earlier process of this relay has bound the socket of the relay: nobody else keeps it open. */
  readonly isTakenOver?: boolean | undefined
}

/** What the environment says of sockets that were handed over. */
export interface SocketReading {
  readonly sockets: InheritedSockets
  /** Why they cannot be used; null if they can. */
  readonly problem: string | null
  /** What is likely to surprise; null if nothing is. */
  readonly warning: string | null
}

const NAMES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'] as const

/** The first descriptor that is handed over. */
const FIRST_FD = 3

/** The name of the socket for metrics. */
const METRICS = 'metrics'

/** More cannot be meant: it keeps a mistyped number from making a long list. */
const MOST_SOCKETS = 1_000

/**
 * Reads which sockets were handed over, and removes the variables: a program that the relay starts shall not take them
 * for its own.
 * @param env is changed
 */
export function takeInheritedSockets(env: Record<string, string | undefined>, pid: number): SocketReading {
  const reading = readInheritedSockets(env, pid)
  for (const name of NAMES) delete env[name]
  return reading
}

/** @param pid of this process */
export function readInheritedSockets(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): SocketReading {
  const { LISTEN_PID: forPid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = env
  if (count === undefined || forPid === undefined) return NONE
  if (!/^\d{1,9}$/.test(count) || Number(count) > MOST_SOCKETS)
    return refuse('LISTEN_FDS must be a number of sockets, such as 1')
  if (!/^\d{1,10}$/.test(forPid)) return refuse('LISTEN_PID must be the number of a process')
  if (Number(count) === 0) return NONE
  if (Number(forPid) !== pid) {
    const warning = `sockets were handed over to process ${Number(forPid)} (LISTEN_PID), and this is process ${pid}: they are not used. Start the relay without a program around it, such as npx or a shell without exec`
    return { ...NONE, warning }
  }
  return assign(Number(count), names === undefined ? null : names.split(':'))
}

const NONE: SocketReading = { sockets: {}, problem: null, warning: null }

function refuse(problem: string): SocketReading {
  return { ...NONE, problem }
}

/** @param names null: they have none */
function assign(count: number, names: readonly string[] | null): SocketReading {
  if (names !== null && names.length !== count)
    return refuse(`LISTEN_FDNAMES has ${names.length} names for ${count} sockets (LISTEN_FDS)`)
  const all = Array.from({ length: count }, (_, index) => ({
    fd: FIRST_FD + index,
    name: names?.[index] ?? '',
  }))
  const metrics = all.filter(({ name }) => name === METRICS)
  const others = all.filter(({ name }) => name !== METRICS)
  if (metrics.length > 1) return refuse(describeTooMany(`${metrics.length} sockets are named metrics`))
  if (others.length > 1) {
    const named = others.map(({ fd, name }) => `fd ${fd}${name === '' ? '' : ` (${name})`}`).join(', ')
    return refuse(describeTooMany(`${others.length} sockets were handed over for the relay: ${named}`))
  }
  return { ...NONE, sockets: { relay: others[0]?.fd, metrics: metrics[0]?.fd } }
}

function describeTooMany(what: string): string {
  return `${what}; one is for the relay, and one more with FileDescriptorName=metrics for metrics. For IPv4 and IPv6 at once: ListenStream=[::]:4000 with BindIPv6Only=both`
}
