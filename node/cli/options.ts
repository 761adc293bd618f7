/** Values of options, read strictly: what is out of range is a usage error. */
import { InvalidArgumentError } from 'commander'

/** A whole number in decimal digits. */
export function whole(min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** A number such as 0.01 or 1e-6, above `above` and at most `max`, or below it with `open`. */
export function real(above: number, max: number, open = false): (text: string) => number {
  return text => {
    const value = Number(text)
    const inside = value > above && (open ? value < max : value <= max)
    if (/^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && inside) return value
    throw new InvalidArgumentError(
      `It must be a number above ${above} and ${open ? 'below' : 'at most'} ${max}.`,
    )
  }
}
