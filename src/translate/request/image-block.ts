import { equalsText, findMember, findString, sliceText, type Value } from '../../json/outline.js'

/** In bytes. The head of a data URL is shorter. */
const LONGEST_HEAD = 256

/**
 * An image part of OpenAI's APIs as an image block of Messages. The data keeps its bytes.
 * @param part of type `image_url` or `input_image`
 * @returns null if it has no URL
 */
export function formatImageBlock(body: Buffer, part: Value): string | null {
  if (
    !equalsText(body, findMember(part, 'type'), 'image_url') &&
    !equalsText(body, findMember(part, 'type'), 'input_image')
  )
    return null
  const image = findMember(part, 'image_url')
  const url = findString(body, findMember(image, 'url') ?? image)
  if (url === null) return null
  const mark = findMember(part, 'cache_control')
  const cache = mark === null ? '' : `,"cache_control":${sliceText(body, mark)}`
  return `{"type":"image","source":${formatSource(body, url)}${cache}}`
}

function formatSource(body: Buffer, url: Value): string {
  const start = url.start + 1
  const comma = body.subarray(start, Math.min(start + LONGEST_HEAD, url.end)).indexOf(',')
  const head = comma === -1 ? null : readHead(body.toString('latin1', start, start + comma))
  if (head === null) return `{"type":"url","url":${sliceText(body, url)}}`
  const data = body.toString('latin1', start + comma + 1, url.end)
  return `{"type":"base64","media_type":${JSON.stringify(head)},"data":"${data}}`
}

/** The media type of `data:TYPE;base64`, in which JSON may have escaped the `/`. */
function readHead(text: string): string | null {
  const found = /^data:([\w.+-]+\/[\w.+-]+)(?:;[^;,]*)*;base64$/i.exec(text.replaceAll('\\/', '/'))
  return found === null ? null : (found[1] as string).toLowerCase()
}
