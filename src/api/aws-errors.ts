/** The names of Bedrock's errors by their status (API reference, InvokeModel, Errors). */
const AWS_ERRORS: Readonly<Record<number, string>> = {
  401: 'AccessDeniedException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  429: 'ThrottlingException',
  503: 'ServiceUnavailableException',
}

/** The name that a client of AWS reads, from the header `x-amzn-errortype`. */
export function findAwsError(status: number): string {
  return AWS_ERRORS[status] ?? (status < 500 ? 'ValidationException' : 'InternalServerException')
}
