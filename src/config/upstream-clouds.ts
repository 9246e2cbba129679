import type { PresetName } from '../api/presets.js'
import { resolveAws } from './cloud-aws.js'
import { type CloudConfig, NO_CLOUD, type ResolvedCloud } from './cloud-config.js'
import { resolveEntra } from './cloud-entra.js'
import { resolveGoogle } from './cloud-google.js'
import type { UpstreamEntry } from './schema.js'
import type { Secrets } from './secrets.js'

/**
 * Resolves the sections `aws`, `google` and `entra` of an entry.
 * @param path of the entry
 * @param hasKey it has a key that stays the same, so that it needs no other credential
 */
export function resolveCloud(
  entry: UpstreamEntry,
  path: string,
  hasKey: boolean,
  { secrets, passthrough }: { readonly secrets: Secrets; readonly passthrough: boolean },
): ResolvedCloud {
  const env = (name: string): string | null => secrets.env[name]?.trim() || null
  const place = { secrets, path, passthrough, hasKey, env }
  const [section, other] = listSections(entry)
  if (other !== undefined) {
    secrets.report(`${path}.${other}`, `and ${section} are both there; keep one`)
    return NO_CLOUD
  }
  switch (section) {
    case 'aws':
      return resolveAws(entry, place)
    case 'google':
      return resolveGoogle(entry, place)
    case 'entra':
      return resolveEntra(entry, place)
    default:
      return NO_CLOUD
  }
}

type Section = CloudConfig['kind']
type Sections = Pick<UpstreamEntry, Section | 'preset'>

const SECTIONS: readonly Section[] = ['aws', 'google', 'entra']
const SECTION_OF_PRESET: Partial<Record<PresetName, Section>> = { bedrock: 'aws', vertex: 'google' }

/** Finds the section of an entry that says how the relay gets its credential; null if it has none. */
export function findSection(entry: Sections): Section | null {
  return listSections(entry)[0] ?? null
}

/** Whether the address of an upstream is made from the settings of its section. */
export function isMadeAddress({ preset, baseUrl }: UpstreamEntry): boolean {
  return baseUrl === undefined && preset !== undefined && SECTION_OF_PRESET[preset] !== undefined
}

/** The section of a preset is there even if the entry leaves it out. */
function listSections(entry: Sections): Section[] {
  const sections = SECTIONS.filter((section) => entry[section] !== undefined)
  const usual = entry.preset === undefined ? undefined : SECTION_OF_PRESET[entry.preset]
  return sections.length > 0 || usual === undefined ? sections : [usual]
}
