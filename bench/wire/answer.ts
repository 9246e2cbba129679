/** The JSON body of a chat completion of `bytes` bytes. */
export function answerBody(bytes: number): string {
  const before =
    '{"id":"chatcmpl-bench","object":"chat.completion","choices":[{"index":0,"message":{"content":"'
  const after = '"}}],"usage":{"prompt_tokens":500,"completion_tokens":100,"total_tokens":600}}'
  return `${before}${'x'.repeat(Math.max(1, bytes - before.length - after.length))}${after}`
}
