import { type Group, isInUse, type MediaSection, type SessionDescription } from './model.ts'

/** What of a description says which sections go together. */
interface Sections {
  readonly groups: readonly Group[]
  readonly media: readonly MediaSection[]
}

/** Sections of a description that have one transport together. */
interface SharedTransport {
  /** The first is the one whose transport attributes count for all, unless it is not in use (RFC 9143 section 7.3.1). */
  readonly sections: readonly MediaSection[]
  /** Whether they are an `a=group:BUNDLE`, and not one section alone. */
  readonly bundled: boolean
}

export const NO_TRANSPORT: SharedTransport = { sections: [], bundled: false }

/** What has a transport of its own in a description: each BUNDLE group, then each section that is in none. */
export function sharedTransports(description: SessionDescription): SharedTransport[] {
  const groups = bundleGroups(description)
  const grouped = new Set(groups.flat())
  const alone = description.media.filter((section) => section.port !== 0 && !grouped.has(section))
  return [
    ...groups.map((sections) => ({ sections, bundled: true })),
    ...alone.map((section) => ({ sections: [section], bundled: false })),
  ]
}

/** Those of them whose RTCP goes with their RTP: what the first one in use says goes for all, and later descriptions have it there alone (RFC 9143 section 7.1.3). */
export function multiplexedSections(sections: readonly MediaSection[]): readonly MediaSection[] {
  const tagged = sections.find(({ port }) => port !== 0)
  return tagged?.rtcpMux === true ? sections : sections.filter(({ rtcpMux }) => rtcpMux)
}

/**
 * The sections of an answer that are in use, of one who offered to bundle all. The first is the one whose transport attributes count for all. `undefined`: they do not share one
 * transport (RFC 9143 section 7.4).
 */
export function answeredSections(answer: Sections): readonly MediaSection[] | undefined {
  const open = answer.media.filter(({ port }) => port !== 0)
  for (const group of bundleGroups(answer)) {
    const used = group.filter(isInUse)
    const tagged = used.find(({ port }) => port !== 0)
    const isUsed = new Set(used)
    if (tagged === undefined || !open.every((section) => isUsed.has(section))) continue
    return [tagged, ...used.filter((section) => section !== tagged)]
  }
  return open.length <= 1 ? open : undefined
}

/** The sections of each BUNDLE group, in the group's order; a section is in one alone. */
function bundleGroups({ groups, media }: Sections): MediaSection[][] {
  const free = new Map<string, MediaSection>()
  for (const section of media) {
    if (section.mid !== undefined && !free.has(section.mid)) free.set(section.mid, section)
  }
  return groups
    .filter(({ semantics }) => semantics === 'BUNDLE')
    .map(({ mids }) =>
      mids.flatMap((mid) => {
        const section = free.get(mid)
        free.delete(mid)
        return section === undefined ? [] : [section]
      }),
    )
}
