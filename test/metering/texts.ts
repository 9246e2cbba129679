import { readdirSync, readFileSync } from 'node:fs'

/** Texts as people send them to a model and get them from it. */

const ROOT = new URL('../../../', import.meta.url)

function sections(text: string, size: number): string[] {
  const cut: string[] = []
  for (let at = 0; at + size / 2 < text.length; at += size) cut.push(text.slice(at, at + size))
  return cut
}

/** Every file of a folder of this repository, in pieces of about a screen. */
function code(folder: string): string[] {
  const url = new URL(`src/${folder}/`, ROOT)
  const files = readdirSync(url, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  return files.sort().flatMap((name) => sections(readFileSync(new URL(name, url), 'utf8'), 2_000))
}

const PROSE = [
  `The bakery on our street opens at six, long before anybody in the house is awake, and by the time I walk past it on my way
to the station the first trays are already empty. Yesterday the owner told me that she had changed the recipe of the rye
bread: less salt, a longer rest, and a little honey in the starter. I could not taste the honey, but I could taste that
somebody had cared about it.`,
  `Could you explain why the second query is so much slower than the first one? Both of them use the same index, as far as I
can tell from the plan, and both return about forty rows. The only difference that I can see is the order of the joins.
I have already run ANALYZE on all three tables, and nothing changed. What should I look at next?`,
  `Sure! Here's a short summary of the meeting:

- The launch moves from March 3rd to March 17th, because the payment provider needs two more weeks.
- Anna will write the migration guide; Tom reviews it by Friday.
- We agreed that the old endpoint stays available for 90 days after the launch.

**Open questions:** who tells the partners, and what happens to customers who are still on version 1.4? Let me know if you'd
like me to turn this into an email.`,
  `When water freezes it expands by roughly nine percent, which is why ice floats and why a bottle that was left in the freezer
overnight may crack. Most substances do the opposite: their molecules move closer together as they cool down. The reason
lies in the hydrogen bonds between water molecules. They force the crystal into an open, hexagonal structure that
takes up more room than the liquid does.`,
  `I'm sorry, but I can't find a function called parse_header in the file that you sent. There is one named parseHeaders, with
an "s" at the end, on line 212. It takes a single argument and returns a map. If that's the one you meant, the problem is
probably that it lower-cases the names before it compares them, so "Content-Type" is never found.`,
]

const KOREAN = [
  `어제 저녁에 오랜만에 친구들을 만나서 학교 앞 분식집에 갔다. 주인 아주머니는 우리를 아직도 기억하고 계셨고, 예전처럼 어묵 국물을 한 그릇씩 더 주셨다. 가격은 조금 올랐지만 떡볶이의 맛은 그대로였다. 우리는 늦은 시간까지 앉아서 학교 다닐 때 있었던 일들을 이야기했다.`,
  `이 함수는 사용자가 입력한 문자열을 받아서 앞뒤의 공백을 지우고, 비어 있으면 기본값을 돌려줍니다. 지금은 입력이 없을 때 오류가 나는데, 그 이유는 값이 있는지 확인하기 전에 길이를 먼저 계산하기 때문입니다. 조건을 확인하는 순서만 바꾸면 문제가 해결됩니다.`,
  `서울의 겨울은 춥고 건조하다. 기온이 영하 십 도 아래로 내려가는 날이 많고, 바람까지 불면 체감 온도는 훨씬 더 낮아진다. 그래서 집집마다 바닥을 데우는 온돌을 쓰는데, 이 난방 방식은 아주 오래전부터 이어져 온 것이다. 따뜻한 바닥에 누워 귤을 까먹는 것은 많은 사람들에게 겨울의 즐거움이다.`,
  `안녕하세요. 지난주에 주문한 책이 아직 도착하지 않아서 문의드립니다. 주문 내역을 보면 이틀 전에 발송되었다고 나오지만, 배송 조회에서는 아무런 정보도 확인할 수 없습니다. 언제쯤 받을 수 있는지 알려 주시면 감사하겠습니다. 만약 분실되었다면 다시 보내 주실 수 있는지도 궁금합니다.`,
  `데이터베이스의 색인은 책의 찾아보기와 비슷하다. 색인이 없으면 원하는 내용을 찾기 위해 처음부터 끝까지 모두 읽어야 하지만, 색인이 있으면 필요한 곳으로 바로 갈 수 있다. 다만 색인을 만들면 저장 공간이 더 필요하고, 자료를 추가하거나 고칠 때마다 색인도 함께 바꾸어야 하므로 쓰기가 느려진다.`,
  `할머니는 해마다 봄이 되면 뒷산에 올라가 나물을 캐셨다. 냉이와 달래, 두릅 같은 것들을 바구니에 가득 담아 오셔서 된장국을 끓이거나 무침을 만드셨다. 나는 그때 그 향을 좋아하지 않았지만, 어른이 된 지금은 시장에서 봄나물을 보면 꼭 한 봉지를 산다. 그 향을 맡으면 할머니의 부엌이 떠오른다.`,
  `회의에서 결정된 내용은 다음과 같습니다. 첫째, 새로운 기능은 다음 달 둘째 주에 공개합니다. 둘째, 기존 고객에게는 일주일 전에 미리 안내합니다. 셋째, 문제가 생기면 한 시간 안에 이전 상태로 되돌릴 수 있도록 준비합니다. 담당자는 이번 주 금요일까지 일정표를 작성해 주시기 바랍니다.`,
  `새벽에 비가 내렸다. 창문을 두드리는 빗소리에 잠이 깨서 한동안 천장을 바라보고 있었다. 다시 잠이 오지 않아 차를 한 잔 끓여 놓고 책상 앞에 앉았다. 밀린 편지에 답장을 쓰고, 읽다 만 소설을 몇 장 더 읽었다. 비가 그칠 무렵에는 동쪽 하늘이 조금씩 밝아지고 있었다.`,
  `오류 메시지를 보면 서버에 연결하지 못한 것이 아니라 연결한 뒤에 응답을 기다리다가 시간이 초과된 것입니다. 먼저 서버의 기록을 확인해서 요청이 도착했는지 살펴보세요. 요청이 도착했다면 처리하는 데 시간이 오래 걸리는 것이고, 도착하지 않았다면 중간에 있는 방화벽이나 프록시가 막고 있을 가능성이 높습니다. 제한 시간을 늘리는 것은 원인을 찾은 다음에 해도 늦지 않습니다.`,
  `아래 코드를 조금 더 읽기 쉽게 고쳐 주세요. 변수 이름이 너무 짧아서 무엇을 뜻하는지 알기 어렵고, 같은 계산을 세 군데에서 반복하고 있습니다. 동작은 그대로 유지하되, 반복되는 부분은 함수로 분리하고 각 함수에 간단한 설명을 달아 주시면 좋겠습니다. 테스트 코드는 바꾸지 말아 주세요.`,
  `배열을 정렬하는 방법은 여러 가지가 있습니다. 원소의 개수가 적을 때는 어떤 방법을 쓰더라도 큰 차이가 없지만, 개수가 많아지면 알고리즘에 따라 걸리는 시간이 크게 달라집니다. 이미 거의 정렬된 자료라면 삽입 정렬이 빠르고, 순서를 전혀 알 수 없는 자료라면 병합 정렬이나 퀵 정렬을 사용하는 것이 일반적입니다. 같은 값을 가진 원소들의 순서를 유지해야 한다면 안정 정렬을 선택해야 합니다.`,
  `이번 변경 사항을 정리하면 다음과 같습니다. 로그인에 다섯 번 실패하면 계정이 십 분 동안 잠깁니다. 비밀번호를 바꾸면 다른 기기에서 자동으로 로그아웃됩니다. 관리자는 사용자의 마지막 접속 시간을 볼 수 있습니다. 기존 사용자에게 미치는 영향은 없으며, 설정 파일을 수정할 필요도 없습니다.`,
]

const MIXED = [
  `Docker 컨테이너 안에서 node_modules 폴더가 비어 있는 문제는 보통 volume mount 때문에 생깁니다. 호스트의 폴더가 이미지의 폴더를 덮어쓰기 때문이죠. docker-compose.yml 파일에서 아래처럼 anonymous volume을 하나 추가해 보세요.

\`\`\`yaml
services:
  web:
    volumes:
      - .:/app
      - /app/node_modules
\`\`\``,
  `useEffect 안에서 setState를 부르면 컴포넌트가 다시 render되고, dependency array가 비어 있지 않으면 effect가 또 실행됩니다. 그래서 infinite loop가 생기는 거예요. 값이 실제로 바뀌었을 때만 setCount(count + 1)을 호출하도록 if 문을 추가하거나, functional update를 쓰는 방법이 있습니다.`,
  `다음 SQL을 보면 LEFT JOIN을 쓰고 있지만 WHERE 절에서 o.status = 'paid' 조건을 걸었기 때문에 결과적으로는 INNER JOIN과 같습니다. 조건을 ON 절로 옮기면 주문이 없는 고객도 나옵니다.

SELECT c.id, c.name, o.total
FROM customers c
LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'paid'
ORDER BY c.name LIMIT 50;`,
  `Thanks for the report! 재현해 봤는데 Chrome 126에서만 발생하고 Firefox에서는 문제가 없었습니다. stack trace를 보면 IntersectionObserver의 callback이 두 번 호출되고 있어요. I'd suggest adding a guard: if (entry.isIntersecting && !loaded.current). 내일까지 pull request를 올릴게요.`,
  `API key는 .env 파일에 OPENAI_API_KEY=sk-... 형식으로 저장하고, 절대로 git에 commit하지 마세요. 이미 push했다면 key를 바로 revoke하고 새로 발급받아야 합니다. git history에서 지우는 것만으로는 충분하지 않습니다.`,
  `// 사용자의 나이를 계산한다. 생일이 지나지 않았으면 한 살을 뺀다.
function ageOf(birthday: Date, today = new Date()): number {
  const years = today.getFullYear() - birthday.getFullYear()
  // 올해 생일이 아직 오지 않은 경우
  const passed = today.getMonth() > birthday.getMonth() || today.getDate() >= birthday.getDate()
  return passed ? years : years - 1
}
console.log(\`나이: \${ageOf(new Date('1994-08-17'))}세\`)`,
]

/** By what they are; each of them some hundred tokens. */
export const TEXTS: Readonly<Record<'english' | 'code' | 'korean' | 'mixed', readonly string[]>> = {
  english: [...PROSE, ...sections(readFileSync(new URL('README.md', ROOT), 'utf8'), 2_000)],
  code: ['metering', 'relay', 'ledger', 'http', 'demo'].flatMap(code),
  korean: KOREAN,
  mixed: MIXED,
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
