import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sim, temporary } from './harness.ts'

/** Three hospitals, one round, nothing else: some hundred events. */
const TINY = `format: medmesh-scenario/1
title: The smallest study
description: Three hospitals and one round
sites:
  - { name: city, count: 3, trainingMs: 10 }
study: { rounds: 1, features: 2 }
`

function tiny(more = ''): string {
  const file = join(temporary(), 'tiny.yaml')
  writeFileSync(file, TINY + more)
  return file
}

describe('usage', () => {
  it.each([[[]], [['run']], [['swarm']], [['replay']], [['list']]])(
    '--help of %j explains itself with examples',
    async command => {
      const { code, out, err } = await sim([...command, '--help'])
      expect([code, err]).toEqual([0, ''])
      expect(out).toMatch(/^Usage: medmesh sim/)
      expect(out).toMatch(/Examples:\n {2}medmesh sim /)
      if (command.length === 0) expect(out).toMatch(/^ {2}5 {4}violated/m)
    },
  )

  it.each([
    ['an unknown command', ['fly']],
    ['no command', []],
    ['a seed that is no number', ['run', '--seed', 'x']],
    ['a seed beyond 32 bits', ['replay', '4294967296']],
    ['no seed', ['replay']],
    ['two hospitals', ['run', '--hospitals', '2']],
    ['no seeds', ['swarm']],
    ['seeds the wrong way round', ['swarm', '--seeds', '9..3']],
    ['seeds without an end', ['swarm', '--seeds', '9..']],
    ['other ciphers', ['swarm', '--seeds', '1..2', '--crypto', 'rot13']],
    ['no workers', ['swarm', '--seeds', '1..2', '--workers', '0']],
  ])('%s is a usage error', async (_, args) => {
    const { code, out, err } = await sim(args)
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(err).not.toBe('')
  })
})

describe('list', () => {
  it('has name, size and title of each scenario', async () => {
    const { code, out } = await sim(['list'])
    expect(code).toBe(0)
    expect(out).toMatch(/^metropolitan +5 +\d+ {2}Five hospitals of one city$/m)
    expect(out).toMatch(/^thousand +1000 /m)
  })
})

describe('run', () => {
  it('plays a file, and writes report and results', async () => {
    const dir = temporary()
    const json = join(dir, 'result.json')
    const args = ['run', '--scenario', tiny(), '--seed', '5', '--json', json, '--report', join(dir, 'r')]
    const { code, out, err } = await sim(args)
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/^The smallest study\n/)
    expect(out).toContain(join(dir, 'r', 'report.html'))
    const result = JSON.parse(readFileSync(json, 'utf8'))
    expect(result).toMatchObject({ ok: true, finished: true, seed: 5, violations: [] })
    expect(result.rounds).toHaveLength(3)
    expect(result.traceHash).toMatch(/^[0-9a-f]{64}$/)
    const html = readFileSync(join(dir, 'r', 'report.html'), 'utf8')
    expect(html).toMatch(/^<!doctype html>/)
    expect(html).toContain('--seed 5')
  })

  it('takes other numbers of hospitals and rounds', async () => {
    const json = join(temporary(), 'result.json')
    const { code } = await sim([
      'run',
      ...['--scenario', tiny(), '--json', json, '--hospitals', '4', '--rounds', '2'],
    ])
    expect(code).toBe(0)
    const result = JSON.parse(readFileSync(json, 'utf8'))
    expect([result.hospitals.length, result.rounds.length]).toEqual([4, 4])
  })

  it('says unfinished when the time is over before the study is', async () => {
    const { code, out } = await sim(['run', '--scenario', tiny('limitMs: 1000\n'), '--rounds', '50'])
    expect(code).toBe(4)
    expect(out).not.toBe('')
  })

  it('stops when it is told to, and writes nothing', async () => {
    const json = join(temporary(), 'result.json')
    const stop = AbortSignal.abort('SIGINT')
    const args = ['run', '--scenario', tiny(), '--rounds', '100000', '--json', json]
    expect(await sim(args, stop)).toMatchObject({ code: 130, out: '' })
    expect(existsSync(json)).toBe(false)
  })

  it('names the file, the line, the key and what is allowed of a bad scenario', async () => {
    const { code, out, err } = await sim(['run', '--scenario', tiny('faults: [{kind: crsh}]\n')])
    expect([code, out]).toEqual([3, ''])
    expect(err).toMatch(
      /^error SCENARIO_SCHEMA: .*tiny\.yaml: line 7: faults\[0\]\.kind must be one of "crash"/,
    )
    expect(err).toMatch(/\n {2}fix: did you mean crash\?\n$/)
  })

  it('names the scenarios that there are', async () => {
    const { code, err } = await sim(['run', '--scenario', 'odelja'])
    expect(code).toBe(3)
    expect(err).toMatch(/^error SCENARIO_FILE: odelja is neither .* nor one of continents, .*odelia/)
  })
})

describe('replay', () => {
  it('prints each event in its order, and the same each time', async () => {
    const args = ['replay', '3', '--trace', '--scenario', tiny()]
    const { code, out } = await sim(args)
    expect(code).toBe(0)
    const times = [...out.matchAll(/^t=(\d+\.\d+)s/gm)].map(m => Number(m[1]))
    expect(times.length).toBeGreaterThan(300)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    for (const word of ['round 0.0 opened', 'prevote', 'durable', 'study finished'])
      expect(out).toContain(word)
    expect((await sim(args)).out).toBe(out)
  })

  it('prints no events without --trace', async () => {
    const { code, out } = await sim(['replay', '3', '--scenario', tiny()])
    expect(code).toBe(0)
    expect(out).not.toMatch(/^t=/m)
  })
})

describe('swarm', () => {
  it('prints the figures of its seeds, and writes them', async () => {
    const json = join(temporary(), 'figures.json')
    const { code, out } = await sim(['swarm', '--seeds', '10..11', '--json', json])
    expect(code).toBe(0)
    expect(out).toMatch(/^seeds +2, 0 failed$/m)
    const figures = JSON.parse(readFileSync(json, 'utf8'))
    expect(figures).toMatchObject({ from: 10, to: 11, seeds: 2, crypto: 'real', failures: [] })
    expect(figures.events).toBeGreaterThan(500)
    expect(Object.values(figures.checked).every(n => (n as number) > 0)).toBe(true)
  })

  it('begins no seed when it is stopped', async () => {
    const { code, out } = await sim(['swarm', '--seeds', '1..1000'], AbortSignal.abort('SIGINT'))
    expect(code).toBe(130)
    expect(out).toMatch(/^seeds +0, 0 failed$/m)
  })
})
