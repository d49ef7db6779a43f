// A message of a simulated producer begins with its id, of which there is one.

import type { Stored } from '../kafka/produces.ts'
import type { SightingOf } from '../sighting.ts'

export const idIn = (value: string): string => value.split(' ', 1)[0] ?? ''

export const seenStored = ({ partition, offset, values }: Stored): SightingOf<'stored'> => ({
  ...{ type: 'stored', partition, offset, ids: values.map(idIn) },
})
