import { JsonMeter } from '../src/metering/json-meter.js'
import { StreamMeter } from '../src/metering/stream-meter.js'
import { Recorder } from '../src/server/recorder.js'
import { Alternation } from './alternation.js'

// This module is loaded into Thinwire before its own code and changes its classes, so that metering and recording can
// be switched off.

const { push } = StreamMeter.prototype
const { push: pushJson } = JsonMeter.prototype
const { add } = Recorder.prototype

const metering = new Alternation()

StreamMeter.prototype.push = function (chunk: Buffer): void {
  metering.work++
  if (metering.isOn) push.call(this, chunk)
}

JsonMeter.prototype.push = function (chunk: Buffer): void {
  if (metering.isOn) pushJson.call(this, chunk)
}

Recorder.prototype.add = function (...args: Parameters<Recorder['add']>): void {
  if (metering.isOn) add.apply(this, args)
}
