import { OTHER } from './shapes.js'

/**
 * The name of a person: `TEAM/USER`, as in reports, since two teams may each have a user of the same name.
 * @returns empty if there is none; `OTHER` where there was no room for one of its parts
 */
export function formatOwner(team: string, user: string): string {
  if (user === '') return ''
  return user === OTHER || team === OTHER ? OTHER : `${team === '' ? '-' : team}/${user}`
}
