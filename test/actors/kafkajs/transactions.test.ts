import { describe, expect, it } from 'vitest'
import { hideAborted } from '../../../actors/kafkajs/transactions.ts'

/** `5:1` is a message at offset 5 in a transaction of producer 1, `5:-` one outside of any, `5:1!` the marker that ends producer 1's. */
function messages(...written: readonly string[]) {
  return written.map((each) => {
    const [, offset = '', producerId = '', marker] = /^(\d+):(\d+|-)(!?)$/.exec(each) ?? []
    return {
      offset,
      key: Buffer.from([0, 0, 0, 0]),
      isControlRecord: marker === '!',
      batchContext: { producerId: producerId === '-' ? '-1' : producerId, inTransaction: producerId !== '-' },
    }
  })
}

const visible = (list: ReturnType<typeof messages>) =>
  list.filter((each) => !each.isControlRecord).map(({ offset }) => Number(offset))

describe('messages of aborted transactions', () => {
  it('are hidden where a fetch begins inside two of them', () => {
    const list = messages('10:1', '11:2', '12:-', '13:2!', '14:1!', '15:1', '16:1!')
    hideAborted({
      messages: list,
      abortedTransactions: [
        { firstOffset: '3', producerId: '2' },
        { firstOffset: '1', producerId: '1' },
      ],
    })
    expect(visible(list)).toEqual([12, 15])
  })

  it('are hidden where they are listed in the order in which they ended', () => {
    const list = messages('1:1', '2:2', '3:2!', '4:1', '5:1!')
    hideAborted({
      messages: list,
      abortedTransactions: [
        { firstOffset: '2', producerId: '2' },
        { firstOffset: '1', producerId: '1' },
      ],
    })
    expect(visible(list)).toEqual([])
  })

  it('are hidden when their offsets do not fit a number of JavaScript', () => {
    const list = messages('9007199254740993:1', '9007199254740994:1!')
    hideAborted({ messages: list, abortedTransactions: [{ firstOffset: '9007199254740993', producerId: '1' }] })
    expect(visible(list)).toEqual([])
  })

  it("are not taken for the same producer's next transaction, which is committed, nor its earlier one", () => {
    const list = messages('1:1', '2:1!', '3:1', '4:1!', '5:1', '6:1!')
    hideAborted({ messages: list, abortedTransactions: [{ firstOffset: '3', producerId: '1' }] })
    expect(visible(list)).toEqual([1, 5])
  })

  it('are not looked for by KafkaJS again', () => {
    const fetched = { messages: messages('1:1', '2:1!'), abortedTransactions: [{ firstOffset: '1', producerId: '1' }] }
    hideAborted(fetched)
    expect(fetched.abortedTransactions).toEqual([])
  })

  it('leave messages of the formats before transactions alone', () => {
    const old = [{ offset: '1' }, { offset: '2', key: null }]
    hideAborted({ messages: old, abortedTransactions: [{ firstOffset: '1', producerId: '1' }] })
    expect(old).toEqual([{ offset: '1' }, { offset: '2', key: null }])
  })
})
