import { Limiter } from '../src/limits/limiter.js'
import { Alternation } from './alternation.js'

// This module is loaded into Thinwire before its own code and changes its `Limiter`, so that limits can be switched off.

const { check, modelRulesOf, record } = Limiter.prototype

const limits = new Alternation()

const PASSED: ReturnType<Limiter['check']> = { ticket: null, observed: null, refusal: null }

const NO_RULES: ReturnType<Limiter['modelRulesOf']> = []

Limiter.prototype.check = function (...args: Parameters<Limiter['check']>): ReturnType<Limiter['check']> {
  limits.work++
  return limits.isOn ? check.apply(this, args) : PASSED
}

Limiter.prototype.modelRulesOf = function (...args: Parameters<Limiter['modelRulesOf']>) {
  return limits.isOn ? modelRulesOf.apply(this, args) : NO_RULES
}

// What was checked in one slice may be over in the next.
Limiter.prototype.record = function (...[summary]: Parameters<Limiter['record']>): void {
  if (limits.isOn || summary.request.ticket !== null) record.call(this, summary)
}
