/** An error that a person can act on: a stable code, what and where, and how to mend it. */
export class MedmeshError extends Error {
  override readonly name = 'MedmeshError'
  readonly code: string
  readonly fix: string

  /** `code`: stable, upper case, such as `CHARTER_EXPIRED`. `message`: what and where. `fix`: what to do. */
  constructor(code: string, message: string, fix: string) {
    super(message)
    this.code = code
    this.fix = fix
  }
}
