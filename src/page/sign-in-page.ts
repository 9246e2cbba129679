import type { PageResponse } from './page-response.js'

/** Why the form is shown again. */
export type SignInProblem = 'wrong' | 'spent' | 'slow' | 'full'

const PROBLEMS: Readonly<Record<SignInProblem, string>> = {
  wrong: 'This is neither the token of this page nor a valid key.',
  spent:
    'The token of this link is wrong, was used already, or is too old. A printed token is good for one sign-in: start the relay again for another one, or set admin.token in its config.',
  slow: 'Too many tries. Wait a minute, and try again.',
  full: 'The form was too large, or is not what this page has sent.',
}

/** Only a form without a script: it works in every browser, and nothing has to be loaded before. */
export function createSignInPage(
  to: string,
  problem: SignInProblem | null,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): PageResponse {
  const alert = problem === null ? '' : `<p role="alert">${PROBLEMS[problem]}</p>\n`
  return createPage(
    'Sign in',
    `<h1>Thinwire</h1>
${alert}<form method="post" action="/sign-in">
<input type="hidden" name="to" value="${escapeHtml(to)}">
<label for="token">Token of the operators, or your key (<code>lc_…</code>)</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus spellcheck="false" maxlength="512">
<button type="submit">Sign in</button>
</form>`,
    status,
    headers,
  )
}

/** Says what is wrong with a path or a method. */
export function createErrorPage(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): PageResponse {
  return createPage(
    'Thinwire',
    `<h1>${escapeHtml(text)}</h1>\n<p><a href="/">To the page</a></p>`,
    status,
    headers,
  )
}

function createPage(
  title: string,
  main: string,
  status: number,
  headers: Readonly<Record<string, string>>,
): PageResponse {
  return {
    status,
    headers: {
      ...headers,
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      // With `no-referrer`, a browser would send the form with the origin `null`.
      'referrer-policy': 'same-origin',
    },
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="stylesheet" href="${STYLE_PATH}">
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`,
  }
}

export const STYLE_PATH = '/sign-in.css'

export const STYLE = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { box-sizing: border-box; max-width: 26rem; margin: 15vh auto 0; padding: 0 1rem; }
h1 { font-size: 1.25rem; }
label, input, button { display: block; box-sizing: border-box; width: 100%; font: inherit; }
input { margin: 0.25rem 0 1rem; padding: 0.5rem; }
button { padding: 0.5rem; cursor: pointer; }
[role="alert"] { border-left: 4px solid #b3261e; padding-left: 0.75rem; }
`

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
